#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# check_ptx.sh NVCC KERNELS-FOLDER: what the compiler made of the CUDA kernels, for each architecture. It fails on
# registers that spill, stack frames, ptxas warnings (C75xx among them), where a kernel lacks the instructions that it
# was written for, and where their order is wrong: in PTX, and where a disassembler is (nvdisasm of the toolkit, of PyPI's
# nvidia-cuda-nvdisasm or of Triton) in machine code. Exit status 77 without nvcc: skipped.
set -euo pipefail
nvcc=$1
kernels=$2
command -v "$nvcc" >/dev/null || {
  echo "skipped: there is no nvcc here"
  exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
expected_kernels=42 # twenty-one for each of two formats

fail() {
  printf 'error: sm_%s: %s\n' "$1" "$2"
  failed=1
}

compile() { # <architecture> <nvcc flags…>
  local arch=$1
  shift
  "$nvcc" -std=c++20 -O3 -I"$kernels" -I"$kernels/../include" \
    -gencode="arch=compute_$arch,code=$1" "${@:2}" "$kernels/cuda/launch.cu"
}

# Each kernel's resources: "name|what is wrong".
bad_resources() {
  awk '
    /Compiling entry function/ { name = $0; sub(/.*function .*kernels4cuda/, "", name); sub(/E.*/, "", name) }
    /stack frame/ && !/^ *0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads/ { print name ":" $0 }
    /C75[0-9][0-9]|[Ww]arning/ { print }' "$1"
}

# entries <PTX> <kernel> <instruction>: how many kernels of that name there are, and how many have the instruction.
entries() {
  awk -v kernel="$2" -v instruction="$3" '
    function close_entry() { if (mine) { total++; if (found) with++ } }
    /\.entry/ { close_entry(); mine = index($0, kernel) > 0; found = 0 }
    mine && index($0, instruction) { found = 1 }
    END { close_entry(); print total + 0, with + 0 }' "$1"
}

need() { # <architecture> <kernel> <instruction…>
  local arch=$1 kernel=$2 instruction total with
  shift 2
  for instruction in "$@"; do
    read -r total with < <(entries "$work/$arch.ptx" "$kernel" "$instruction")
    [ "$total" -gt 0 ] || fail "$arch" "there is no kernel $kernel"
    [ "$total" -eq "$with" ] || fail "$arch" "$((total - with)) of $total kernels $kernel lack $instruction"
  done
}

# out_of_order <file>: lines "kernel: what is wrong" of PTX or of nvdisasm's text, for sm_90a. Before the wait for the
# grid before (griddepcontrol.wait, ACQBULK) a kernel loads parameters alone (L1::evict_last, .EL), those all there, and
# stores nothing to global memory. What ordinary stores put into shared memory is fenced (fence.proxy.async, FENCE.VIEW.ASYNC) before the block's
# barrier. After the leader's copies its warp meets before the next product. From the fence before products on to the wait for
# them, PTX touches no float in a register.
out_of_order() {
  awk '
    function close_kernel() {
      if (kernel && kernel !~ /random_kernel|hold_kernel/ && !waited) print kernel ": no wait for the grid before it"
    }
    /\.entry|^ *\.text\..*:$/ {
      close_kernel()
      kernel = $0; sub(/.*kernels4cuda[0-9]*/, "", kernel); sub(/EEv.*|Ev.*/, "", kernel)
      waited = 0; stored = 0; copied = 0; multiplying = 0; hopper = /hopper_attention/
    }
    !kernel { next }
    /griddepcontrol\.wait|ACQBULK/ { waited = 1 }
    !waited && /random_kernel|hold_kernel/ { waited = 1 }
    !waited && (/ld\.global|LDG\./ && !/evict_last|\.EL\./ || /st\.global|STG\.|cp\.async\.cg|LDGSTS|cp\.async\.bulk|UTMALDG/) {
      print kernel ": before its wait: " $0
      waited = 1
    }
    waited && /ld\.global.*evict_last|LDG.*\.EL\./ { print kernel ": a parameter after its wait: " $0 }
    hopper && (/st\.shared|[ \t]STS/) && !/mbarrier/ { stored = 1 }
    /fence\.proxy\.async|FENCE\.VIEW\.ASYNC/ { stored = 0 }
    stored && /bar\.sync|barrier\.sync|BAR\.SYNC/ { print kernel ": no proxy fence between a store and " $0; stored = 0 }
    /cp\.async\.bulk\.tensor/ { copied = 1 }
    /bar\.warp\.sync/ { copied = 0 }
    /wgmma\.fence/ { multiplying = 1 }
    /wgmma\.wait_group/ { multiplying = 0 }
    multiplying && /%f[0-9]/ && !/wgmma/ {
      print kernel ": a sum or an operand is touched between wgmma.fence and the wait: " $0
      multiplying = 0
    }
    copied && /wgmma\.fence/ { print kernel ": the warp of the leader does not meet before " $0; copied = 0 }
    END { close_kernel() }' "$1"
}

find_disassembler() {
  local folder
  for folder in "$(dirname "$(command -v "$nvcc")")" /usr/local/cuda/bin \
    $(python3 -c 'import sys; print(*(p + d for p in sys.path if p for d in ("/nvidia/cu13/bin", "/triton/backends/nvidia/bin")))' 2>/dev/null); do
    [ -x "$folder/nvdisasm" ] && echo "$folder/nvdisasm" && return
  done
  command -v nvdisasm || true
}

python3 "$kernels/tools/generate_wgmma.py" | cmp - "$kernels/cuda/wgmma.inc" ||
  fail 90a "cuda/wgmma.inc is not what tools/generate_wgmma.py writes"

for arch in 80 90a; do
  compile "$arch" "sm_$arch" -Xptxas -v -cubin -o "$work/$arch.cubin" >"$work/$arch.log" 2>&1 || {
    cat "$work/$arch.log"
    exit 1
  }
  compile "$arch" "compute_$arch" -ptx -o "$work/$arch.ptx"
  found=$(grep -c 'Compiling entry function' "$work/$arch.log" || true)
  [ "$found" -ge "$expected_kernels" ] || fail "$arch" "only $found kernels were compiled; ptxas -v has changed?"
  while read -r line; do fail "$arch" "$line"; done < <(bad_resources "$work/$arch.log")

  for kernel in attention_kernel pattern_attention; do
    need "$arch" "$kernel" mma.sync.aligned.m16n8k16 ldmatrix.sync.aligned.m8n8.x4.shared \
      ldmatrix.sync.aligned.m8n8.x4.trans cp.async.cg.shared.global cp.async.wait_group ex2.approx st.global.v4
  done
  for kernel in embedding_kernel norm_kernel activation_kernel gate_kernel; do
    need "$arch" "$kernel" ld.global.L1::evict_last.v4 ld.global.v4 st.global.v4
  done
  for kernel in classification_kernel pooling_kernel label_kernel; do need "$arch" "$kernel" ld.global.v4; done
  need "$arch" rotary_kernel ld.global.v4 st.global.v4
done
for kernel in attention_kernel pattern_attention embedding_kernel norm_kernel activation_kernel gate_kernel rotary_kernel \
  classification_kernel pooling_kernel label_kernel; do
  need 90a "$kernel" griddepcontrol.wait griddepcontrol.launch_dependents
done

# Without the products it must not run as if it had them.
need 80 hopper_attention trap

need 90a hopper_attention wgmma.mma_async.sync.aligned.m64n128k16.f32 wgmma.mma_async.sync.aligned.m64n64k16.f32 \
  wgmma.fence.sync wgmma.commit_group.sync wgmma.wait_group.sync cp.async.bulk.tensor.2d.shared::cluster.global \
  mbarrier.try_wait.parity mbarrier.arrive.expect_tx fence.proxy.async fence.mbarrier_init prefetch.tensormap ex2.approx \
  st.global.v4 griddepcontrol.wait griddepcontrol.launch_dependents

while read -r line; do fail 90a "$line"; done < <(out_of_order "$work/90a.ptx")
disassembler=$(find_disassembler)
if [ -n "$disassembler" ]; then
  "$disassembler" -c "$work/90a.cubin" >"$work/90a.sass"
  grep -q ACQBULK "$work/90a.sass" || fail 90a "nvdisasm shows no ACQBULK; has its text changed?"
  while read -r line; do fail 90a "$line"; done < <(out_of_order "$work/90a.sass")
else
  echo "There is no nvdisasm here: the order was looked at in PTX alone."
fi

if [ $failed -eq 0 ]; then
  grep -hE 'Compiling entry|Used [0-9]+ registers' "$work/90a.log" | paste - - |
    sed -E "s/.*kernels4cuda[0-9]+//; s/ptxas info *: //" | sort
fi
exit $failed
