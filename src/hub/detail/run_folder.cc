#include "hub/detail/run_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/json.h"
#include "recipe/run_config.h"
#include "recipe/run_identity.h"
#include "store/file_system.h"

namespace panal::hub::detail {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kDigits = 12;  // Of the identity, in a folder's name.
constexpr std::uint64_t kMostBytes = 16 << 20;
constexpr std::size_t kMostReasons = 3;

// In the folder of every run: what it was asked for by, and which one it is.
struct Begun {
  std::string origin{};
  recipe::RunIdentity identity{};
};

fs::path begun_path(const fs::path& folder) { return folder / "begun.json"; }

Result<Begun> read_begun(const fs::path& folder) {
  const fs::path path = begun_path(folder);
  PANAL_ASSIGN(const std::string text, store::read_file(path, kMostBytes));
  PANAL_ASSIGN(const Json json, parse_json(text, path.string()));
  Begun begun;
  PANAL_ASSIGN(begun.origin, json_string(json, "origin", path.string()));
  PANAL_ASSIGN(begun.identity, recipe::identity_from_json(json, path.string()));
  return begun;
}

Status write_begun(const fs::path& folder, const Begun& begun) {
  store::FileSystem& files = store::posix_file_system();
  PANAL_TRY(store::make_directories(files, folder));
  Json json = recipe::identity_to_json(begun.identity);
  json["origin"] = begun.origin;
  return store::write_file_atomically(files, begun_path(folder), to_pretty(json));
}

// The first run of an identity has its name, the later ones "-2", "-3", ...
fs::path place_of(const fs::path& first, int number) {
  return number == 1 ? first : fs::path(first.string() + fmt::format("-{}", number));
}

int num_begun(const fs::path& first) {
  std::error_code error;
  int count = 0;
  while (fs::exists(begun_path(place_of(first, count + 1)), error)) ++count;
  return count;
}

// The run of another identity that the same origin has begun last.
struct Earlier {
  fs::path folder{};
  Begun begun{};
};
std::optional<Earlier> earlier_of(const fs::path& jobs, const Begun& now) {
  std::optional<Earlier> newest;
  fs::file_time_type newest_time;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(jobs, error)) {
    const fs::file_time_type time = fs::last_write_time(begun_path(entry.path()), error);
    if (error || (newest && time <= newest_time)) continue;
    auto begun = read_begun(entry.path());
    if (!begun.ok() || begun->origin != now.origin || begun->identity == now.identity) continue;
    newest = Earlier{.folder = entry.path(), .begun = std::move(*begun)};
    newest_time = time;
  }
  return newest;
}

std::string why_new(const Earlier& earlier, const Begun& now) {
  const std::vector<std::string> all = recipe::differences(earlier.begun.identity, now.identity);
  std::string text = "a new run: ";
  for (std::size_t i = 0; i < std::min(all.size(), kMostReasons); ++i) {
    text += (i == 0 ? "" : ", ") + all[i];
  }
  if (all.size() > kMostReasons) text += fmt::format(", and {} more", all.size() - kMostReasons);
  return text + "; the one before it stays in " + earlier.folder.string();
}

}  // namespace

Result<RunPlace> find_run_place(const store::Home& home, const RunDescription& run) {
  // What this computer has decides nothing about which run it is; the engine judges that.
  PANAL_ASSIGN(const recipe::RunConfig config,
               recipe::parse_run_config(run.config, run.config_name, run.base_directory,
                                        {.multiplies_bfloat16 = true}));
  Begun now{.origin = run.origin};
  PANAL_ASSIGN(now.identity, recipe::identify(config));
  const fs::path first =
      home.jobs / fmt::format("{}-{}", run.kind, now.identity.id().substr(0, kDigits));
  const int begun = num_begun(first);
  if (begun > 0 && !run.begins_anew) return RunPlace{.folder = place_of(first, begun)};

  RunPlace place{.folder = place_of(first, begun + 1)};
  if (begun > 0) {
    place.remark = "a new run beside that in " + place_of(first, begun).string();
  } else if (const auto earlier = earlier_of(home.jobs, now)) {
    place.remark = why_new(*earlier, now);
  }
  PANAL_TRY(write_begun(place.folder, now));
  return place;
}

}  // namespace panal::hub::detail
