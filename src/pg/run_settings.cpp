#include "pg/run_settings.h"

namespace trails::pg {

namespace {

class SettingsList {
 public:
  template <typename T>
  void Add(const char *key, T value) {
    list_.push_back({key, std::move(value)});
  }
  template <typename T>
  void AddGiven(const char *key, const std::optional<T> &value) {
    if (value) Add(key, *value);
  }
  // Empty for none.
  void AddNamed(const char *key, const std::string &name) {
    if (!name.empty()) Add(key, name);
  }
  void AddNamed(const char *key, const std::vector<std::string> &names) {
    if (!names.empty()) Add(key, names);
  }

  // What every call has.
  void AddSource(const SourceCall &call) {
    const SelectionOptions &options = call.options;
    Add("encoding", std::string(trails::Name(options.encoding)));
    AddNamed("split", call.request.split);
    AddNamed("group_by", call.request.group);
    AddNamed("categorical", options.categorical);
    AddNamed("numerical", options.numeric);
    AddGiven("stop_at", options.stop_at);
    AddGiven("dropout", options.dropout);
    Add("max_ids", std::int64_t{options.max_ids});
    Add("device", std::string(trails::Name(options.device)));
    Add("precision", std::string(trails::Name(options.precision)));
    if (call.log && options.snapshot_every > 0) {
      Add("log", std::int64_t{options.snapshot_every});
    } else if (call.log) {
      Add("log", true);
    }
    AddNamed("log_key", call.request.key);
    if (call.log_scheme) Add("log_scheme", SchemeText(*call.log_scheme));
  }

  RunSettings Take() { return std::move(list_); }

 private:
  RunSettings list_;
};

}  // namespace

RunSettings SettingsOf(const SelectionCall &call) {
  const SelectionOptions &options = call.options;
  SettingsList list;
  list.AddSource(call);
  list.Add("space", options.space.name);
  list.Add("tfmem",
           options.learned ? std::string("learned") : std::string(trails::Name(options.tfmem)));
  list.Add("refinement", std::string(trails::Name(options.refinement)));
  list.AddGiven("n", options.n);
  list.AddGiven("k", options.k);
  list.AddGiven("u", options.u);
  list.Add("eta", std::int64_t{options.eta});
  list.AddGiven("max_epochs", options.max_epochs);
  list.Add("only_filter", options.only_filter);
  list.Add("history", call.history);
  list.Add("banks", std::int64_t{options.banks});
  list.Add("keep_candidates", options.keep_candidates);
  return list.Take();
}

RunSettings SettingsOf(const TrainCall &call) {
  SettingsList list;
  list.AddSource(call);
  list.Add("architecture", call.architecture);
  list.Add("epochs", call.epochs);
  return list.Take();
}

}  // namespace trails::pg
