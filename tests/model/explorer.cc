#include "tests/model/explorer.h"

#include <algorithm>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/session_phase.h"

namespace paddock::model {
namespace {

// Stored apart from the map, so that a state is kept once.
struct Bytes {
  char data[sizeof(State)];
  explicit Bytes(const State& state) {
    std::copy_n(reinterpret_cast<const char*>(&state), sizeof(State), data);
  }
  friend bool operator==(const Bytes& a, const Bytes& b) {
    return std::equal(a.data, a.data + sizeof(State), b.data);
  }
  template <typename H>
  friend H AbslHashValue(H h, const Bytes& bytes) {
    return H::combine(std::move(h), absl::string_view(bytes.data, sizeof(State)));
  }
};

class Search {
 public:
  Search(FleetModel* model, size_t max_states) : model_(model), max_states_(max_states) {}

  Exploration Run() {
    Visit(model_->Initial(), 0);
    for (uint32_t i = 0; i < states_.size(); ++i) {
      const State state = states_[i];
      for (const State& next : model_->Next(state)) {
        const uint32_t to = Visit(next, i);
        edges_.push_back({to, i});
        if (!result_.broken.empty()) return Finish();
      }
      if (states_.size() > max_states_) return Finish();
    }
    result_.complete = true;
    CheckProgress();
    return Finish();
  }

 private:
  struct Edge {
    uint32_t to;
    uint32_t from;
  };

  uint32_t Visit(const State& state, uint32_t from) {
    const auto [it, is_new] =
        numbers_.try_emplace(Bytes(state), static_cast<uint32_t>(states_.size()));
    if (!is_new) return it->second;
    states_.push_back(state);
    parents_.push_back(from);
    const std::string broken = model_->Broken(state);
    if (!broken.empty()) result_.broken = absl::StrCat(broken, "\n", WayTo(it->second));
    return it->second;
  }

  // Backwards from the settled states: what isn't met can't come to rest any more.
  void CheckProgress() {
    std::sort(edges_.begin(), edges_.end(),
              [](const Edge& a, const Edge& b) { return a.to < b.to; });
    std::vector<bool> met(states_.size(), false);
    std::vector<uint32_t> open;
    for (uint32_t i = 0; i < states_.size(); ++i) {
      if (!model_->IsSettled(states_[i])) continue;
      met[i] = true;
      open.push_back(i);
      ++result_.settled;
    }
    while (!open.empty()) {
      const uint32_t to = open.back();
      open.pop_back();
      auto edge = std::lower_bound(edges_.begin(), edges_.end(), to,
                                   [](const Edge& e, uint32_t number) { return e.to < number; });
      for (; edge != edges_.end() && edge->to == to; ++edge) {
        if (met[edge->from]) continue;
        met[edge->from] = true;
        open.push_back(edge->from);
      }
    }
    for (uint32_t i = 0; i < states_.size(); ++i) {
      if (met[i]) continue;
      result_.broken = absl::StrCat("it can't come to rest any more\n", WayTo(i));
      return;
    }
  }

  std::string WayTo(uint32_t number) const {
    std::vector<uint32_t> way = {number};
    while (way.back() != 0) way.push_back(parents_[way.back()]);
    std::string text;
    for (auto it = way.rbegin(); it != way.rend(); ++it) {
      absl::StrAppend(&text, Describe(states_[*it]), "\n");
    }
    return text;
  }

  Exploration Finish() {
    result_.states = states_.size();
    result_.steps = edges_.size();
    return result_;
  }

  FleetModel* const model_;
  const size_t max_states_;
  Exploration result_;
  std::vector<State> states_;
  std::vector<uint32_t> parents_;
  std::vector<Edge> edges_;
  absl::flat_hash_map<Bytes, uint32_t> numbers_;
};

}  // namespace

Exploration Explore(FleetModel* model, size_t max_states) {
  return Search(model, max_states).Run();
}

std::string Describe(const State& state) {
  std::string text = absl::StrCat(
      state.deleted != 0 ? "DELETED" : SessionPhaseName(static_cast<SessionPhase>(state.phase)),
      " generation ", state.generation, " |");
  for (int g = 0; g < kGenerations; ++g) {
    const Placement& p = state.placements[g];
    if (p.exists == 0) continue;
    absl::StrAppend(&text, " ", g + 1, "@", p.node, p.stop != 0 ? " stop" : "",
                    p.fenced != 0 ? " fenced" : "", p.released != 0 ? " released" : "", " r",
                    p.revision);
  }
  for (int n = 0; n < kNodes; ++n) {
    const AgentState& a = state.agents[n];
    absl::StrAppend(&text, " | node ", n, a.up != 0 ? "" : " down", " silent ", state.silence[n],
                    " fence ", a.fence, " applied ", a.applied, " tombstone ", a.tombstone);
    if (a.has_record != 0) {
      absl::StrAppend(&text, a.running != 0 ? " runs " : " ended ", a.generation, " fate ",
                      static_cast<int>(a.fate));
    }
  }
  for (const Message& m : state.messages) {
    if (m.kind == Message::Kind::kNone) continue;
    static constexpr const char* kNames[] = {"",        "put",    "put answer", "stop",
                                             "stopped", "report", "answer"};
    absl::StrAppend(&text, " | ", kNames[static_cast<int>(m.kind)], " ", m.node, " g", m.generation,
                    " r", m.revision, " age ", m.age, m.old_epoch != 0 ? " old" : "");
  }
  return text;
}

}  // namespace paddock::model
