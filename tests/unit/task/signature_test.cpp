// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "yonder/task.hpp"

// Compiled is passed.
namespace {

using namespace yonder::detail;

constexpr auto lambda = [](int, std::string const&) { return 1.0; };
constexpr auto never_throws = [](int) noexcept {};
constexpr auto generic = [](auto) {};
constexpr auto changing = [](int) mutable {};
struct two_operators {
  void operator()(int) const;
  void operator()(double) const;
};

template <class F>
concept known = requires {
  typename signature_of<F>::result;
};
template <class F>
using result_of = typename signature_of<F>::result;
template <class F>
using parameters_of = typename signature_of<F>::parameters;

static_assert(std::is_same_v<result_of<int (*)(double)>, int>);
static_assert(std::is_same_v<parameters_of<int (*)(double)>, type_list<double>>);
static_assert(std::is_same_v<parameters_of<void (*)() noexcept>, type_list<>>);
static_assert(std::is_same_v<parameters_of<void (*)(std::string const&, int) noexcept>,
                             type_list<std::string const&, int>>);
static_assert(std::is_same_v<result_of<std::string const (*)()>, std::string>);
static_assert(std::is_same_v<result_of<decltype(lambda)>, double>);
static_assert(std::is_same_v<result_of<decltype(&lambda)>, double>);
static_assert(std::is_same_v<parameters_of<decltype(&lambda)>, type_list<int, std::string const&>>);
static_assert(std::is_void_v<result_of<decltype(&never_throws)>>);
static_assert(!known<decltype(generic)> && !known<decltype(&generic)>);
static_assert(!known<decltype(changing)> && !known<decltype(&changing)>);
static_assert(!known<two_operators> && !known<int> && !known<int*> && !known<void (*)(char const*, ...)>);

static_assert(std::is_same_v<passed_t<int const&>, int>);
static_assert(std::is_same_v<passed_t<std::string>, std::string const&>);
static_assert(std::is_same_v<passed_t<std::string const&>, std::string const&>);
static_assert(std::is_same_v<passed_t<std::unique_ptr<int>&&>, std::unique_ptr<int> const&>);
static_assert(std::is_same_v<passed_t<std::string_view>, std::string_view>);
static_assert(std::is_same_v<passed_t<std::span<int const> const&>, std::span<int const>>);

static_assert(std::is_same_v<wire_type_t<std::string const&>, std::string>);
static_assert(std::is_same_v<wire_type_t<std::string&&>, std::string>);
static_assert(std::is_same_v<wire_type_t<int const>, int>);
static_assert(std::is_same_v<wire_type_t<std::string_view>, std::string>);
static_assert(std::is_same_v<wire_type_t<std::string_view const&>, std::string>);
static_assert(std::is_same_v<wire_type_t<std::u16string_view>, std::u16string>);
static_assert(std::is_same_v<wire_type_t<std::span<int const>>, std::vector<int>>);
static_assert(std::is_same_v<wire_type_t<std::span<int const, 3>>, std::vector<int>>);
static_assert(!is_travelling<wire_type_t<int&>> && !is_travelling<wire_type_t<int*>> &&
              !is_travelling<wire_type_t<std::span<int>>>);

// References stay, and what was moved in moves on.
static_assert(std::is_same_v<decltype(handed<int const&>(std::declval<int&>())), int const&>);
static_assert(std::is_same_v<decltype(handed<std::string>(std::declval<std::string&>())), std::string&&>);
static_assert(std::is_same_v<decltype(handed<std::string&&>(std::declval<std::string&>())), std::string&&>);
static_assert(
    std::is_same_v<decltype(handed<std::string_view>(std::declval<std::string&>())), std::string const&>);

void takes(std::string const&, std::span<int const>) {}
static_assert(find_defect<takes, "takes">() == defect::none);
static_assert(find_defect<[](int) {}, "lambda">() == defect::none);
static_assert(find_defect<[](int) {}, "">() == defect::name);
static_assert(find_defect<&generic, "">() == defect::generic);
static_assert(find_defect<&changing, "">() == defect::generic);
static_assert(find_defect<3, "three">() == defect::not_callable);

static_assert(find_map_defect<std::vector<std::string>&, std::string_view>() == map_defect::none);
static_assert(find_map_defect<char const* (&)[2], std::string const&>() == map_defect::none);
static_assert(find_map_defect<std::vector<bool>, bool>() == map_defect::none);
static_assert(find_map_defect<int, int>() == map_defect::not_range);
static_assert(find_starmap_defect<std::vector<std::pair<int, char const*>>, long, std::string>() ==
              map_defect::none);
static_assert(find_starmap_defect<std::vector<std::array<int, 2>>, int, int>() == map_defect::none);
static_assert(find_starmap_defect<std::vector<int>, int>() == map_defect::tuple);

}  // namespace
