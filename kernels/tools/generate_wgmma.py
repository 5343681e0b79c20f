#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes cuda/wgmma.inc: one function for each shape of wgmma.mma_async that the kernels use.

Run: python3 generate_wgmma.py >../cuda/wgmma.inc. check_ptx.sh compares the file with what this prints.
"""

SHARED = (64, 128)  # columns, with both operands in shared memory
REGISTERS = (32, 64)  # columns, with the left operand in registers
FORMATS = ("bf16", "f16")


def names(first, count):
    return "{" + ", ".join(f"%{first + i}" for i in range(count)) + "}"


def sums(columns):
    return ", ".join(f'"+f"(out[{i // 4}].value[{i % 4}])' for i in range(columns // 2))


def function(name, left, number_format, columns, operands, last, inputs):
    count = columns // 2
    add = count + len(inputs)
    return f"""template <>
YONDER_DEVICE void {name}<{number_format}, {columns}>(fragment_c (&out)[{columns // 8}], {left}, std::uint64_t b,
    bool accumulate) {{
  asm volatile(
      "{{ .reg .pred add; setp.ne.b32 add, %{add}, 0; "
      "wgmma.mma_async.sync.aligned.m64n{columns}k16.f32.{number_format}.{number_format} "
      "{names(0, count)}, "
      "{operands(count)}, add, {last}; }}"
      : {sums(columns)}
      : {", ".join(inputs)}, "r"(static_cast<int>(accumulate)));
}}
"""


def main():
    print("// SPDX-License-Identifier: Apache-2.0")
    print("// clang-format off: written by tools/generate_wgmma.py")
    for number_format in FORMATS:
        for columns in SHARED:
            print(function("wgmma_shared", "std::uint64_t a", number_format, columns,
                           lambda at: f"%{at}, %{at + 1}", "1, 1, 0, 0", ['"l"(a)', '"l"(b)']))
        for columns in REGISTERS:
            words = [f'"r"(a.word[{i}])' for i in range(4)]
            print(function("wgmma_registers", "fragment_a const& a", number_format, columns,
                           lambda at: f"{names(at, 4)}, %{at + 4}", "1, 1, 1", words + ['"l"(b)']))


if __name__ == "__main__":
    main()
