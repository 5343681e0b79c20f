// SPDX-License-Identifier: Apache-2.0
#include "yonder/http/json_schema.hpp"

#include <algorithm>

#include "yonder/detail/demangle.hpp"

namespace yonder::http::detail {

std::pair<std::string, bool> schema_set::enter(std::type_info const& type) {
  auto& name = names_[type];
  if (!name.empty()) return {name, false};
  // What a reference may hold without escapes.
  for (char const c : yonder::detail::demangled(type)) {
    bool const plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (plain)
      name += c;
    else if (!name.empty() && name.back() != '.')
      name += '.';
  }
  while (name.ends_with('.')) name.pop_back();
  auto const stem = name;
  for (int number = 2; schemas_.count(name) != 0; ++number) name = stem + "." + std::to_string(number);
  schemas_[name] = "{}";
  return {name, true};
}

std::string schema_reader::integer_schema(std::string const& least, std::string const& most, unsigned bits,
                                          bool is_signed) {
  std::string format;
  if (bits >= 32)
    format = std::string(R"(,"format":")") + (is_signed ? "int" : "uint") + std::to_string(bits) + "\"";
  return R"({"type":"integer","minimum":)" + least + R"(,"maximum":)" + most + format + "}";
}

std::string schema_reader::array_of(std::string const& element, std::size_t size) {
  std::string const items = R"({"type":"array","items":)" + element;
  if (size == ~std::size_t{0}) return items + "}";
  auto const count = std::to_string(size);
  return items + R"(,"minItems":)" + count + R"(,"maxItems":)" + count + "}";
}

std::string schema_reader::either(std::string const& schema, std::string const& other) {
  return R"({"anyOf":[)" + schema + "," + other + "]}";
}

void schema_reader::named(std::string_view name, std::string const& schema, bool needed) {
  if (scope_->is_array || scope_->is_container) return unnamed(schema);
  scope_->is_object = true;
  ++scope_->parts;
  auto const add = [](std::string& list, std::string const& one) { list += (list.empty() ? "" : ",") + one; };
  std::string quoted;
  append_string(quoted, name);
  add(scope_->properties, quoted + ":" + schema);
  if (needed) add(scope_->required, quoted);
}

void schema_reader::unnamed(std::string const& schema) {
  if (scope_->is_object) return named("value" + std::to_string(scope_->parts), schema, true);
  scope_->is_array = true;
  if (scope_->is_container && scope_->parts != 0) return;
  ++scope_->parts;
  scope_->elements += (scope_->elements.empty() ? "" : ",") + schema;
}

std::string schema_reader::finished(scope const& seen) {
  if (seen.is_container) return array_of(seen.elements.empty() ? "{}" : seen.elements);
  if (seen.is_array) {
    auto const count = std::to_string(seen.parts);
    auto const elements = seen.elements.empty() ? std::string() : R"("prefixItems":[)" + seen.elements + "],";
    return R"({"type":"array",)" + elements + R"("minItems":)" + count + R"(,"maxItems":)" + count + "}";
  }
  auto const required = seen.required.empty() ? std::string() : R"(,"required":[)" + seen.required + "]";
  return R"({"type":"object","properties":{)" + seen.properties + "}" + required +
         R"(,"additionalProperties":false})";
}

}  // namespace yonder::http::detail
