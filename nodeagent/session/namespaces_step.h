#pragma once

#include "nodeagent/session/start_step.h"

namespace paddock::nodeagent {

// A namespace pair, and the files of /etc that depend on its addresses. The pair itself vanishes
// with its last holder; its slot is given back only when no record names it any more, because the
// next session gets the same address.
class NamespacesStep : public StartStep {
 public:
  explicit NamespacesStep(const NodeResources* resources) : resources_(resources) {}
  absl::string_view name() const override { return "namespaces"; }
  bool ChangesRecord() const override { return true; }
  absl::Status Do(StartContext& context) override;
  absl::Status Undo(const SessionRecord& record, bool keep_volume) override;
  absl::Status GiveBack(const SessionRecord& record) override;

 private:
  const NodeResources* const resources_;
};

}  // namespace paddock::nodeagent
