// SPDX-License-Identifier: Apache-2.0
#include "model/find_model.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "yonder/ml/errors.hpp"
#include "yonder/ml/model_cache.hpp"

namespace yonder::kernels {
namespace {

namespace fs = std::filesystem;

bool is_folder(fs::path const& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

// Another user's environment must not choose what a privileged program reads.
std::optional<std::string> variable(char const* name) {
  char const* const value = ::secure_getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

std::vector<fs::path> own_folders() {
  std::vector<fs::path> folders;
  std::string const all = variable("YONDER_MODELS").value_or("");
  for (std::string_view left = all; !left.empty();) {
    auto const one = left.substr(0, left.find(':'));
    if (!one.empty()) folders.emplace_back(one);
    left.remove_prefix(std::min(one.size() + 1, left.size()));
  }
  return folders;
}

bool is_name_part(std::string_view part) {
  auto const allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  auto const ends = [](char c) { return c == '-' || c == '.'; };
  return !part.empty() && part.size() <= 96 && std::ranges::all_of(part, allowed) && !ends(part.front()) &&
         !ends(part.back());
}

// ORG/NAME or NAME.
bool is_name(std::string_view id) {
  if (id.find("--") != id.npos || id.find("..") != id.npos) return false;
  auto const slash = id.find('/');
  if (slash == id.npos) return is_name_part(id);
  return is_name_part(id.substr(0, slash)) && is_name_part(id.substr(slash + 1));
}

std::string repository_of(std::string_view id) {
  std::string folder = "models--";
  for (char const c : id) folder += c == '/' ? std::string("--") : std::string(1, c);
  return folder;
}

// A revision is a commit, or a name that a file under refs/ gives a commit.
bool is_revision(std::string_view revision) {
  fs::path const path = revision;
  auto const climbs = [](fs::path const& part) { return part == ".." || part == "."; };
  return !revision.empty() && path.is_relative() && std::none_of(path.begin(), path.end(), climbs) &&
         revision.find('\0') == revision.npos;
}

std::string commit_of(fs::path const& repository, std::string const& revision) {
  std::error_code ignored;
  fs::path const reference = repository / "refs" / revision;
  if (!fs::is_regular_file(reference, ignored)) return revision;
  std::ifstream file(reference, std::ios::binary);
  std::string commit;
  file >> commit;
  return commit;
}

std::string names_in(fs::path const& folder) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (auto const& entry : fs::directory_iterator(folder, ignored)) {
    names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  std::string all;
  for (auto const& name : names) all += (all.empty() ? "" : ", ") + name;
  return all.empty() ? "none" : all;
}

fs::path snapshot_of(fs::path const& repository, std::string const& revision) {
  std::string const commit = is_revision(revision) ? commit_of(repository, revision) : "";
  fs::path const snapshots = repository / "snapshots";
  if (commit.find('/') == commit.npos && is_revision(commit) && is_folder(snapshots / commit)) {
    return snapshots / commit;
  }
  throw ml::missing_file({repository.string(), "no snapshot of the revision " + revision,
                          "one of those in " + snapshots.string() + ": " + names_in(snapshots),
                          "download that revision, or name one that is there: ORG/NAME@REVISION"});
}

// Of Hugging Face's cache; a model's own folder has files beside folders of these names.
bool is_repository(fs::path const& folder) {
  return folder.filename().string().starts_with("models--") && is_folder(folder / "snapshots");
}

}  // namespace

fs::path find_model(fs::path const& name) {
  if (is_folder(name)) {
    auto const folder = name.has_filename() ? name : name.parent_path();
    return is_repository(folder) ? snapshot_of(folder, "main") : name;
  }
  std::string const text = name.string();
  auto const at = text.find('@');
  std::string const id = text.substr(0, at);
  std::string const revision = at == text.npos ? "main" : text.substr(at + 1);
  if (!is_name(id)) return name;
  std::string places;
  for (auto const& folder : own_folders()) {
    if (at == text.npos && is_folder(folder / id)) return folder / id;
    if (auto const repository = folder / repository_of(id); is_folder(repository)) {
      return snapshot_of(repository, revision);
    }
    places += folder.string() + ", ";
  }
  auto const cache = ml::model_cache();
  if (auto const repository = cache / repository_of(id); is_folder(repository)) {
    return snapshot_of(repository, revision);
  }
  throw ml::missing_file({text, "neither a folder nor a model that is on this machine",
                          "a folder, or a model in " + places + cache.string(),
                          "check the path, or download the model: yonder models get " + text});
}

}  // namespace yonder::kernels

namespace yonder::ml {

std::filesystem::path hugging_face_home() {
  if (auto const home = kernels::variable("HF_HOME")) return *home;
  if (auto const caches = kernels::variable("XDG_CACHE_HOME"))
    return std::filesystem::path(*caches) / "huggingface";
  if (auto const home = kernels::variable("HOME"))
    return std::filesystem::path(*home) / ".cache" / "huggingface";
  return {};
}

std::filesystem::path model_cache() {
  if (auto const cache = kernels::variable("HF_HUB_CACHE")) return *cache;
  if (auto const cache = kernels::variable("HUGGINGFACE_HUB_CACHE")) return *cache;
  auto const home = hugging_face_home();
  return home.empty() ? home : home / "hub";
}

}  // namespace yonder::ml
