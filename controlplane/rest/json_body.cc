#include "controlplane/rest/json_body.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "controlplane/core/json_path.h"

namespace paddock {
namespace {

// Builds a value from the parser's events, and knows the path to where it is.
class Builder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return Add(nullptr) != nullptr; }
  bool boolean(bool value) override { return Add(value) != nullptr; }
  bool number_integer(number_integer_t value) override { return Add(value) != nullptr; }
  bool number_unsigned(number_unsigned_t value) override { return Add(value) != nullptr; }
  bool number_float(number_float_t value, const string_t&) override {
    return Add(value) != nullptr;
  }
  bool string(string_t& value) override { return Add(std::move(value)) != nullptr; }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return Open(nlohmann::json::object()); }
  bool start_array(std::size_t) override { return Open(nlohmann::json::array()); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }

  bool key(string_t& name) override {
    Level& level = levels_.back();
    level.key = std::move(name);
    level.awaits_value = true;
    if (!level.value->contains(level.key)) return true;
    error_ = errors::InvalidField(Path(), "is there twice");
    return false;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception&) override {
    if (error_.ok()) {
      error_ = errors::MalformedRequest(absl::StrCat(
          "the body is no valid JSON in UTF-8: wrong at byte ", position,
          levels_.empty() || Path().empty() ? std::string() : absl::StrCat(", in ", Path())));
    }
    return false;
  }

  absl::StatusOr<nlohmann::json> Take() {
    if (!error_.ok()) return error_;
    return std::move(root_);
  }

 private:
  struct Level {
    nlohmann::json* value;
    // In an object: of the member that comes, or came last.
    std::string key;
    bool awaits_value;
  };

  nlohmann::json* Add(nlohmann::json value) {
    if (++values_ > kMaxJsonValues) {
      error_ = errors::MalformedRequest(
          absl::StrCat("the body has more than ", kMaxJsonValues, " values"));
      return nullptr;
    }
    if (levels_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Level& level = levels_.back();
    if (level.value->is_object()) {
      level.awaits_value = false;
      return &((*level.value)[level.key] = std::move(value));
    }
    level.value->push_back(std::move(value));
    return &level.value->back();
  }

  bool Open(nlohmann::json value) {
    if (levels_.size() >= kMaxJsonDepth) {
      error_ = errors::MalformedRequest(
          absl::StrCat("the body has more than ", kMaxJsonDepth, " levels"));
      return false;
    }
    nlohmann::json* added = Add(std::move(value));
    if (added == nullptr) return false;
    levels_.push_back({added, "", false});
    return true;
  }

  bool Close() {
    levels_.pop_back();
    return true;
  }

  // Of the value that was begun last, or, between two members, of the object that holds them.
  std::string Path() const {
    std::string path;
    for (size_t i = 0; i < levels_.size(); ++i) {
      const Level& level = levels_[i];
      const bool innermost = i + 1 == levels_.size();
      if (innermost && level.value->is_object() && !level.awaits_value) break;
      path = level.value->is_object() ? MemberPath(path, level.key)
                                      : ItemPath(path, level.value->size() - (innermost ? 0 : 1));
    }
    return path;
  }

  nlohmann::json root_;
  // Pointers stay valid: only the last item of the innermost level grows.
  std::vector<Level> levels_;
  size_t values_ = 0;
  absl::Status error_;
};

}  // namespace

absl::StatusOr<nlohmann::json> ParseJsonBody(absl::string_view body) {
  if (body.empty()) return errors::MalformedRequest("the body is empty; it must be a JSON object");
  Builder builder;
  nlohmann::json::sax_parse(body.begin(), body.end(), &builder);
  return builder.Take();
}

}  // namespace paddock
