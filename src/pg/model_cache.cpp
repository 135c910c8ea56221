#include "pg/model_cache.h"

#include <list>
#include <map>

#include "core/model/artefact.h"
#include "pg/engine_call.h"

namespace trails::pg {

namespace {

using Models = std::list<std::shared_ptr<LoadedModel>>;

struct Cache {
  Models models;  // the most recently used first
  std::map<ModelKey, Models::iterator> by_key;
  std::int64_t bytes = 0;

  void DropBeyond(std::int64_t limit) {
    while (bytes > limit && models.size() > 1) {
      bytes -= models.back()->predictor.bytes();
      by_key.erase(models.back()->row.key);
      models.pop_back();
    }
  }
};

// Never destroyed: the process ends with it.
Cache &TheCache() {
  static auto *const cache = new Cache;
  return *cache;
}

}  // namespace

std::shared_ptr<LoadedModel> OpenModel(std::string_view name) {
  return OpenModel(FindModel(name));
}

std::shared_ptr<LoadedModel> OpenModel(ModelRow row) {
  Cache &cache = TheCache();
  if (const auto found = cache.by_key.find(row.key); found != cache.by_key.end()) {
    cache.models.splice(cache.models.begin(), cache.models, found->second);
    cache.models.front()->row = std::move(row);  // it may have been renamed
    return cache.models.front();
  }
  const std::string bytes = ReadModelBytes(row);
  Predictor predictor = RunOnBytes(std::ssize(bytes), [&](const std::stop_token &stop) {
    return Predictor(ReadArtefact(bytes, stop), stop);
  });
  RequireOwnBytes(row, bytes);
  auto loaded = std::make_shared<LoadedModel>(LoadedModel{std::move(row), std::move(predictor)});
  cache.models.push_front(loaded);
  cache.by_key[loaded->row.key] = cache.models.begin();
  cache.bytes += loaded->predictor.bytes();
  cache.DropBeyond(kModelCacheBytes);
  return loaded;
}

}  // namespace trails::pg
