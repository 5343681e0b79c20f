// SPDX-License-Identifier: Apache-2.0
#include "src/launch/carry/elf.hpp"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace yonder::launch {
namespace {

// More than a linker writes: what overlaps itself would be read again and again.
constexpr std::size_t most_names = 10'000;
constexpr std::size_t longest_name = 4096;

// What is read only where the file has something.
class elf_bytes {
 public:
  explicit elf_bytes(file_reader const& file) : file_(file) {}

  template <class T>
  bool read(std::uint64_t at, T& value) const {
    auto const bytes = file_(at, sizeof(T));
    if (bytes.size() < sizeof(T)) return false;
    std::memcpy(&value, bytes.data(), sizeof(T));
    return true;
  }
  // That ends with a zero byte; nothing: it does not.
  std::optional<std::string> text(std::uint64_t at) const {
    auto name = file_(at, longest_name);
    auto const end = name.find('\0');
    if (end == std::string::npos) return std::nullopt;
    name.resize(end);
    return name;
  }

 private:
  file_reader const& file_;
};

struct elf_segments {
  std::vector<Elf64_Phdr> loaded;
  Elf64_Phdr dynamic{};
  Elf64_Phdr properties{};

  // Where in the file an address of the running program lies.
  std::optional<std::uint64_t> place_of(std::uint64_t address) const {
    for (auto const& one : loaded)
      if (address >= one.p_vaddr && address - one.p_vaddr < one.p_filesz)
        return one.p_offset + (address - one.p_vaddr);
    return std::nullopt;
  }
};

struct elf_dynamic {
  std::uint64_t names = 0;
  std::uint64_t versions = 0, version_count = 0;
  std::uint64_t own_name = 0;
  std::vector<std::uint64_t> libraries;
};

constexpr char is_cut_off[] = "it is cut off, or damaged";

bool read_segments(elf_bytes file, Elf64_Ehdr const& head, elf_facts& facts, elf_segments& segments) {
  for (std::uint64_t i = 0; i < head.e_phnum; ++i) {
    Elf64_Phdr one{};
    if (head.e_phentsize != sizeof one || !file.read(head.e_phoff + i * sizeof one, one)) return false;
    if (one.p_type == PT_LOAD) segments.loaded.push_back(one);
    if (one.p_type == PT_DYNAMIC) segments.dynamic = one;
    if (one.p_type == PT_GNU_PROPERTY) segments.properties = one;
    if (one.p_type != PT_INTERP) continue;
    auto const loader = file.text(one.p_offset);
    if (!loader) return false;
    facts.loader = *loader;
  }
  return true;
}

bool read_dynamic(elf_bytes file, elf_segments const& segments, elf_dynamic& found) {
  for (std::uint64_t at = 0; at + sizeof(Elf64_Dyn) <= segments.dynamic.p_filesz; at += sizeof(Elf64_Dyn)) {
    Elf64_Dyn one{};
    if (!file.read(segments.dynamic.p_offset + at, one)) return false;
    switch (one.d_tag) {
      case DT_NULL: return true;
      case DT_STRTAB: found.names = one.d_un.d_ptr; break;
      case DT_SONAME: found.own_name = one.d_un.d_val; break;
      case DT_NEEDED:
        if (found.libraries.size() == most_names) return false;
        found.libraries.push_back(one.d_un.d_val);
        break;
      case DT_VERNEED: found.versions = one.d_un.d_ptr; break;
      case DT_VERNEEDNUM: found.version_count = one.d_un.d_val; break;
      default: break;
    }
  }
  return true;
}

// Weak ones do not count: the loader does without them.
bool read_versions(elf_bytes file, std::uint64_t at, std::uint64_t count, std::uint64_t names,
                   elf_facts& facts) {
  std::size_t seen = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    Elf64_Verneed of{};
    if (++seen > most_names || !file.read(at, of)) return false;
    auto const library = file.text(names + of.vn_file);
    if (!library) return false;
    auto next = at + of.vn_aux;
    for (unsigned k = 0; k < of.vn_cnt; ++k) {
      Elf64_Vernaux one{};
      if (++seen > most_names || !file.read(next, one)) return false;
      auto const version = file.text(names + one.vna_name);
      if (!version) return false;
      if ((one.vna_flags & VER_FLG_WEAK) == 0) facts.versions[*library].insert(*version);
      next += one.vna_next;
    }
    if (of.vn_next == 0) return true;
    at += of.vn_next;
  }
  return true;
}

// GNU_PROPERTY_X86_ISA_1_NEEDED, as of the x86-64 psABI: what -z x86-64-v3 has a linker write.
void read_properties(elf_bytes file, Elf64_Phdr const& where, elf_facts& facts) {
  constexpr std::uint32_t isa_needed = 0xc0008002;
  Elf64_Nhdr note{};
  if (!file.read(where.p_offset, note) || note.n_type != NT_GNU_PROPERTY_TYPE_0) return;
  if (note.n_namesz != 4) return;  // "GNU"
  auto const begin = where.p_offset + sizeof note + 4;
  std::uint32_t header[2]{};
  for (std::uint64_t at = 0; at < note.n_descsz && file.read(begin + at, header);
       at += 8 + (std::uint64_t{header[1]} + 7) / 8 * 8) {
    std::uint32_t bits = 0;
    if (header[0] != isa_needed || header[1] != sizeof bits || !file.read(begin + at + 8, bits)) continue;
    for (unsigned level = 2; level <= 4; ++level)
      if ((bits >> (level - 1) & 1U) != 0) facts.x86_level = level;
  }
}

}  // namespace

std::string read_elf(file_reader const& bytes, elf_facts& facts) {
  elf_bytes const file(bytes);
  Elf64_Ehdr head{};
  if (bytes(0, SELFMAG) != ELFMAG) return "it is no ELF file (a script?)";
  if (!file.read(0, head)) return is_cut_off;
  if (head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_ident[EI_DATA] != ELFDATA2LSB)
    return "it is not of a 64-bit, little-endian machine";
  facts.machine = head.e_machine;
  elf_segments segments;
  elf_dynamic dynamic;
  if (!read_segments(file, head, facts, segments) || !read_dynamic(file, segments, dynamic))
    return is_cut_off;
  if (segments.properties.p_filesz != 0) read_properties(file, segments.properties, facts);
  if (dynamic.names == 0) return {};
  auto const names = segments.place_of(dynamic.names);
  if (!names) return is_cut_off;
  for (auto const one : dynamic.libraries) {
    auto name = file.text(*names + one);
    if (!name) return is_cut_off;
    facts.libraries.push_back(std::move(*name));
  }
  if (dynamic.own_name != 0) facts.own_name = file.text(*names + dynamic.own_name).value_or("");
  if (dynamic.versions == 0) return {};
  auto const versions = segments.place_of(dynamic.versions);
  if (!versions || !read_versions(file, *versions, dynamic.version_count, *names, facts)) return is_cut_off;
  return {};
}

std::string read_elf(std::string_view bytes, elf_facts& facts) {
  return read_elf(
      [bytes](std::uint64_t at, std::size_t size) {
        return std::string(bytes.substr(std::min<std::uint64_t>(at, bytes.size()), size));
      },
      facts);
}

std::string machine_name(std::uint16_t machine) {
  switch (machine) {
    case EM_X86_64: return "x86_64";
    case EM_AARCH64: return "aarch64";
    case EM_RISCV: return "riscv64";
    default: return {};
  }
}

}  // namespace yonder::launch
