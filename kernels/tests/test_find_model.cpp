// SPDX-License-Identifier: Apache-2.0
//
// Models by name: Hugging Face's cache and YONDER_MODELS, as huggingface_hub lays them out.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "model/find_model.hpp"
#include "yonder/ml/errors.hpp"
#include "yonder/ml/sentence_encoder.hpp"
#include "yonder/ml/text_classifier.hpp"

namespace {

using namespace yonder;
using kernels::find_model;
namespace fs = std::filesystem;

constexpr char const* first_commit = "0123456789abcdef0123456789abcdef01234567";
constexpr char const* second_commit = "89abcdef0123456789abcdef0123456789abcdef";

void write(fs::path const& path, std::string const& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

// All variables that say where models are, unset but for those that the test sets.
class environment {
 public:
  environment() {
    for (auto const* name : names) {
      char const* const value = std::getenv(name);
      saved_.push_back(value != nullptr ? std::optional<std::string>(value) : std::nullopt);
      ::unsetenv(name);
    }
  }
  environment(environment const&) = delete;
  environment& operator=(environment const&) = delete;
  ~environment() {
    for (std::size_t i = 0; i < saved_.size(); ++i) {
      if (saved_[i]) {
        ::setenv(names[i], saved_[i]->c_str(), 1);
      } else {
        ::unsetenv(names[i]);
      }
    }
  }

  void set(char const* name, fs::path const& value) const { ::setenv(name, value.c_str(), 1); }

 private:
  static constexpr char const* names[] = {"YONDER_MODELS", "HF_HUB_CACHE",   "HUGGINGFACE_HUB_CACHE",
                                          "HF_HOME",       "XDG_CACHE_HOME", "HOME"};
  std::vector<std::optional<std::string>> saved_;
};

class temporary_folder {
 public:
  temporary_folder() {
    std::string pattern = (fs::temp_directory_path() / "yonder-kernels-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  temporary_folder(temporary_folder const&) = delete;
  temporary_folder& operator=(temporary_folder const&) = delete;
  ~temporary_folder() { fs::remove_all(path_); }

  fs::path operator/(std::string const& name) const { return path_ / name; }

 private:
  fs::path path_;
};

// A snapshot whose files are links into blobs, as hf download leaves it.
void add_snapshot(fs::path const& repository, std::string const& commit, char const* golden) {
  fs::path const from = fs::path(YONDER_GOLDENS) / golden;
  fs::create_directories(repository / "blobs");
  for (auto const& entry : fs::recursive_directory_iterator(from)) {
    if (!entry.is_regular_file()) continue;
    auto const relative = entry.path().lexically_relative(from);
    std::string const blob =
        commit.substr(0, 8) + std::to_string(std::hash<std::string>()(relative.string()));
    fs::copy_file(entry.path(), repository / "blobs" / blob);
    fs::path const link = repository / "snapshots" / commit / relative;
    fs::create_directories(link.parent_path());
    fs::create_symlink((repository / "blobs" / blob).lexically_relative(link.parent_path()), link);
  }
}

void make_cache(fs::path const& cache) {
  fs::path const repository = cache / "models--acme--tiny.model_v1";
  add_snapshot(repository, first_commit, "bert-classifier");
  add_snapshot(repository, second_commit, "legacy-bert");
  write(repository / "refs" / "main", first_commit);
  write(repository / "refs" / "v2", std::string(second_commit) + "\n");
  write(repository / "refs" / "refs" / "pr" / "1", second_commit);
  write(repository / "refs" / "gone", "ffffffffffffffffffffffffffffffffffffffff");
  write(repository / "refs" / "evil", "../../../..");
}

fs::path const classifier = fs::path(YONDER_GOLDENS) / "bert-classifier";
constexpr char const* name = "acme/tiny.model_v1";

}  // namespace

TEST_CASE("a model in Hugging Face's cache is found by name and revision, wherever the cache is said to be") {
  environment const variables;
  temporary_folder const temporary;
  struct place {
    char const* variable;
    char const* inside;
  };
  for (auto const& each :
       {place{"HOME", ".cache/huggingface/hub"}, place{"XDG_CACHE_HOME", "huggingface/hub"},
        place{"HF_HOME", "hub"}, place{"HUGGINGFACE_HUB_CACHE", ""}, place{"HF_HUB_CACHE", ""}}) {
    CAPTURE(std::string(each.variable));
    fs::path const root = temporary / each.variable;
    make_cache(root / each.inside);
    variables.set(each.variable, root);  // each holds over those before it
    fs::path const snapshots = root / each.inside / "models--acme--tiny.model_v1" / "snapshots";
    CHECK(find_model(name).lexically_normal() == (snapshots / first_commit).lexically_normal());
  }
  CHECK(ml::text_classifier(name)("good job") == ml::text_classifier(classifier)("good job"));
  ml::text_classifier const other(fs::path(YONDER_GOLDENS) / "legacy-bert");
  for (std::string const revision : {"v2", "refs/pr/1", second_commit}) {
    CAPTURE(revision);
    CHECK(ml::text_classifier(std::string(name) + "@" + revision)("good job") == other("good job"));
  }
}

TEST_CASE("a repository of the cache given as a folder stands for its main revision") {
  environment const variables;
  temporary_folder const temporary;
  make_cache(temporary / "hub");
  fs::path const repository = temporary / "hub" / "models--acme--tiny.model_v1";
  CHECK(find_model(repository) == repository / "snapshots" / first_commit);
  CHECK(find_model(repository.string() + "/") == repository / "snapshots" / first_commit);
  fs::path const snapshot = repository / "snapshots" / second_commit;
  CHECK(find_model(snapshot) == snapshot);
  CHECK(ml::sentence_encoder(repository)("good job") == ml::sentence_encoder(classifier)("good job"));
}

TEST_CASE("YONDER_MODELS holds over the cache: folders by name, and repositories in the cache's layout") {
  environment const variables;
  temporary_folder const temporary;
  make_cache(temporary / "cache");
  make_cache(temporary / "own");
  fs::create_directories(temporary / "plain/acme");
  fs::copy(classifier, temporary / "plain/acme/tiny.model_v1", fs::copy_options::recursive);
  variables.set("HF_HUB_CACHE", temporary / "cache");
  variables.set("YONDER_MODELS", temporary / "none");
  CHECK(find_model(name).string().starts_with((temporary / "cache").string()));
  variables.set("YONDER_MODELS", (temporary / "none").string() + "::" + (temporary / "own").string());
  CHECK(find_model(name).string().starts_with((temporary / "own").string()));
  variables.set("YONDER_MODELS", (temporary / "plain").string() + ":" + (temporary / "own").string());
  CHECK(find_model(name) == temporary / "plain/acme/tiny.model_v1");
  // A plain folder has no revisions.
  CHECK(find_model(std::string(name) + "@v2").string().starts_with((temporary / "own").string()));
}

TEST_CASE("a model or a revision that is not there is refused in words, and a path is left alone") {
  environment const variables;
  temporary_folder const temporary;
  make_cache(temporary / "hub");
  variables.set("HF_HOME", temporary / "");
  auto const words = [](std::string const& what) -> std::string {
    try {
      return find_model(what).string();
    } catch (ml::missing_file const& error) {
      return error.what();
    }
  };
  CHECK(words("acme/other").find("neither a folder nor a model") != std::string::npos);
  CHECK(words("acme/other").find("yonder models get acme/other") != std::string::npos);
  for (std::string const revision : {"v3", "gone", "evil", "../main", "..", "", "/etc", "refs/pr/2"}) {
    CAPTURE(revision);
    CHECK(words(std::string(name) + "@" + revision).find("no snapshot of the revision") != std::string::npos);
  }
  CHECK(words(std::string(name) + "@v3").find(second_commit) != std::string::npos);
  for (std::string const path :
       {"/nonexistent/model", "../model", "a/b/c", "a--b", "-a", "a b", "acme/..", ""}) {
    CAPTURE(path);
    CHECK(words(path) == path);
  }
}
