// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "src/journal/file_system.hpp"

// A folder in memory whose disk is as bad as a disk may be: what was not synced is there after a power loss,
// or not, or in part, in any order, a file's name apart from what is in it; and any operation may fail.
namespace yonder::journal::testing {

struct power_lost {};

class unreliable_disk final : public file_system {
 public:
  using bytes = std::vector<std::byte>;

  explicit unreliable_disk(std::uint64_t seed = 0) : random_(seed) {}

  // The power goes at the operation after so many others that change something.
  void lose_power_after(std::uint64_t operations) { fuse_ = operations; }
  // That operation fails instead, and all later ones, as on a full or dying disk.
  void fail_after(std::uint64_t operations, int error) {
    fuse_ = operations;
    error_ = error;
  }
  void heal() {
    fuse_.reset();
    error_ = 0;
  }
  void write_short(bool on) { short_ = on; }
  std::uint64_t operations() const { return operations_; }

  // What is left for whoever comes after it.
  void lose_power() {
    heal();
    for (auto const& change : pending_)
      if (likely()) change.apply(durable_);
    pending_.clear();
    now_ = durable_;
    for (auto& [name, each] : now_) each->lose_power(random_);
  }
  // All processes have ended; nothing is lost.
  void settle() {
    heal();
    sync_names();
    for (auto& [name, each] : now_) each->sync();
  }

  bytes& contents(std::string const& name) { return now_.at(name)->now; }
  // What is there whatever happens.
  bytes const& synced(std::string const& name) const { return durable_.at(name)->durable; }
  std::map<std::string, bytes> copy() const {
    std::map<std::string, bytes> made;
    for (auto const& [name, each] : now_) made[name] = each->now;
    return made;
  }
  void put(std::map<std::string, bytes> const& files) {
    now_.clear();
    for (auto const& [name, each] : files) now_[name] = std::make_shared<node>(node{each, each, {}});
    durable_ = now_;
    pending_.clear();
  }

  std::vector<std::string> list() const override {
    std::vector<std::string> all;
    for (auto const& [name, each] : now_) all.push_back(name);
    return all;
  }
  std::unique_ptr<file> open(std::string const& name, access how) const override {
    auto& self = const_cast<unreliable_disk&>(*this);  // the system's disk is not part of its folder's object
    if (how == access::create) {
      self.operate("create");
      auto const made = std::make_shared<node>();
      if (!self.now_.emplace(name, made).second)
        throw std::system_error(EEXIST, std::generic_category(), name);
      self.pending_.push_back({[name, made](names& in) { in[name] = made; }});
    }
    auto const found = now_.find(name);
    if (found == now_.end()) throw std::system_error(ENOENT, std::generic_category(), name);
    return std::make_unique<handle>(self, found->second);
  }
  void rename(std::string const& from, std::string const& to) override {
    operate("rename");
    auto const moved = now_.at(from);
    auto const change = [from, to, moved](names& in) {
      in.erase(from);
      in[to] = moved;
    };
    change(now_);
    pending_.push_back({change});
  }
  void remove(std::string const& name) override {
    operate("remove");
    auto const change = [name](names& in) { in.erase(name); };
    if (now_.count(name) == 0) throw std::system_error(ENOENT, std::generic_category(), name);
    change(now_);
    pending_.push_back({change});
  }
  void sync() override {
    operate("sync");
    sync_names();
  }
  std::string path(std::string const& name) const override { return "disk/" + name; }

 private:
  struct write_or_size {
    std::uint64_t offset = 0;
    bytes written{};
    bool is_size = false;  // the file's, from now on
  };
  struct node {
    bytes now{};
    bytes durable{};
    std::vector<write_or_size> pending{};

    static void apply(bytes& to, write_or_size const& what) {
      if (what.is_size) return to.resize(what.offset);
      if (to.size() < what.offset + what.written.size()) to.resize(what.offset + what.written.size());
      std::copy(what.written.begin(), what.written.end(),
                to.begin() + static_cast<std::ptrdiff_t>(what.offset));
    }
    void sync() {
      for (auto const& each : pending) apply(durable, each);
      pending.clear();
    }
    void lose_power(std::mt19937_64& random) {
      constexpr std::uint64_t sector = 64;  // smaller than any disk's: more is torn
      for (auto const& each : pending) {
        auto const fate = random() % 4;
        if (fate == 0) continue;
        if (fate == 1 || each.is_size) {
          apply(durable, each);
          continue;
        }
        // Sectors, each by itself; where the file has grown, what is missing is zeros, or what lay there
        // before.
        if (durable.size() < each.offset + each.written.size() && random() % 2 == 0) {
          auto const old = durable.size();
          durable.resize(each.offset + each.written.size());
          if (fate == 3)
            for (auto at = old; at < durable.size(); ++at) durable[at] = static_cast<std::byte>(random());
        }
        for (std::uint64_t at = 0; at < each.written.size();) {
          auto const end = std::min<std::uint64_t>(
              each.written.size(), (each.offset + at) / sector * sector + sector - each.offset);
          if (random() % 2 == 0) {
            auto const begin = each.written.begin();
            apply(durable,
                  {each.offset + at,
                   {begin + static_cast<std::ptrdiff_t>(at), begin + static_cast<std::ptrdiff_t>(end)}});
          }
          at = end;
        }
      }
      pending.clear();
      now = durable;
    }
  };
  using names = std::map<std::string, std::shared_ptr<node>>;
  struct name_change {
    std::function<void(names&)> apply;
  };

  class handle final : public file {
   public:
    handle(unreliable_disk& disk, std::shared_ptr<node> of) : disk_(disk), of_(std::move(of)) {}
    std::size_t read(std::uint64_t offset, std::span<std::byte> to) const override {
      if (to.empty() || offset >= of_->now.size()) return 0;
      auto const count = std::min<std::uint64_t>(to.size(), of_->now.size() - offset);
      std::memcpy(to.data(), of_->now.data() + offset, count);
      return count;
    }
    std::size_t write(std::uint64_t offset, std::span<std::byte const> what) override {
      auto const count =
          disk_.short_ && what.size() > 1 ? 1 + disk_.random_() % (what.size() - 1) : what.size();
      bytes written(what.begin(), what.begin() + static_cast<std::ptrdiff_t>(count));
      try {
        disk_.operate("write");
      } catch (...) {  // some of it had been taken
        written.resize(disk_.random_() % (count + 1));
        if (!written.empty()) change({offset, std::move(written)});
        throw;
      }
      change({offset, std::move(written)});
      return count;
    }
    void truncate(std::uint64_t size) override {
      disk_.operate("truncate");
      change({size, {}, true});
    }
    std::uint64_t size() const override { return of_->now.size(); }
    void sync() override {
      try {
        disk_.operate("sync");
      } catch (
          std::system_error const&) {  // as Linux does: it is not tried again, and reads as if it were there
        of_->pending.clear();
        throw;
      }
      of_->sync();
    }

   private:
    void change(write_or_size what) {
      node::apply(of_->now, what);
      of_->pending.push_back(std::move(what));
    }
    unreliable_disk& disk_;
    std::shared_ptr<node> of_;
  };

  void operate(char const* what) {
    ++operations_;
    if (!fuse_) return;
    if (*fuse_ != 0) {
      --*fuse_;
      return;
    }
    if (error_ == 0) throw power_lost{};
    throw std::system_error(error_, std::generic_category(), what);
  }
  void sync_names() {
    durable_ = now_;
    pending_.clear();
  }
  bool likely() { return random_() % 2 == 0; }

  std::mt19937_64 random_;
  names now_;
  names durable_;
  std::vector<name_change> pending_;
  std::optional<std::uint64_t> fuse_;
  int error_ = 0;
  bool short_ = false;
  std::uint64_t operations_ = 0;
};

}  // namespace yonder::journal::testing
