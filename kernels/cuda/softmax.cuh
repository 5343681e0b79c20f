// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/execution.cuh"

// Scores of a warp's 16 queries, as the tensor cores leave them: fragment n has the keys 8 * n to 8 * n + 7,
// and a lane of it the rows lane / 4 (half 0) and lane / 4 + 8 (half 1), two keys each. Rows lie in four
// lanes.
namespace yonder::kernels::cuda {

// exp(x) as a power of two, for scores that are divided by the root of the head's size.
template <int HeadSize>
YONDER_DEVICE float score_scale() {
  return 1.44269504F / sqrtf(static_cast<float>(HeadSize));
}

// Scores of keys from `count` on cannot win, and weigh nothing. `First`: the first key that may be past them.
template <int First, int Fragments>
YONDER_DEVICE void mask(fragment_c (&scores)[Fragments], int count) {
  YONDER_UNROLL
  for (int n = First / 8; n < Fragments; ++n) {
    YONDER_UNROLL
    for (int i = 0; i < 4; ++i) {
      int const key = n * 8 + static_cast<int>(lane_index() % 4) * 2 + i % 2;
      if (key >= count) scores[n].value[i] = -INFINITY;
    }
  }
}

YONDER_DEVICE float row_maximum(float value) {
  value = fmaxf(value, shuffle_xor(value, 1));
  return fmaxf(value, shuffle_xor(value, 2));
}
YONDER_DEVICE float row_sum(float value) {
  value += shuffle_xor(value, 1);
  return value + shuffle_xor(value, 2);
}

// Of a whole row, `largest` among them.
template <int Fragments>
YONDER_DEVICE float largest_score(fragment_c const (&scores)[Fragments], std::size_t half, float largest) {
  YONDER_UNROLL
  for (int n = 0; n < Fragments; ++n)
    largest = fmaxf(largest, fmaxf(scores[n].value[2 * half], scores[n].value[2 * half + 1]));
  return row_maximum(largest);
}

// The weight of a score is 2^(score * scale - shift), by one fma. The shift is the largest score's product,
// rounded: off by half a unit of its last place, and by the same for all scores of a row, so that it cancels
// when they are divided by their sum. Past 2^22 the row's scale shrinks, which keeps that below a factor of
// 2^0.25; scores so large differ from the largest by enough to weigh nothing either way.
YONDER_DEVICE float scale_of_row(float largest, float scale) {
  return fminf(scale, 0x1p22F * reciprocal_approx(fabsf(largest)));
}

// Scores become weights. Returns the sum of this lane's.
template <int Fragments>
YONDER_DEVICE float exponentiate(fragment_c (&scores)[Fragments], std::size_t half, float largest,
                                 float scale) {
  float const of_row = scale_of_row(largest, scale);
  float const shift = multiply_rounded(largest, of_row);
  float sum = 0.0F;
  YONDER_UNROLL
  for (int n = 0; n < Fragments; ++n) {
    YONDER_UNROLL
    for (std::size_t i = 2 * half; i < 2 * half + 2; ++i) {
      scores[n].value[i] = ex2_approx(multiply_add(scores[n].value[i], of_row, -shift));
      sum += scores[n].value[i];
    }
  }
  return sum;
}

// What an online softmax keeps of a warp's rows (Milakov and Gimelshein, arXiv:1805.02867).
struct running_softmax {
  float largest[2] = {-INFINITY, -INFINITY};
  float sum[2] = {0.0F, 0.0F};
};

// Weighs more scores; what was summed before, `out` too, is rescaled to the largest so far. `Sparse`: a row
// may have seen no key yet, and so no largest score.
template <bool Sparse = false, int Keys, int Values>
YONDER_DEVICE void weigh(running_softmax& rows, fragment_c (&scores)[Keys], fragment_c (&out)[Values],
                         float scale) {
  YONDER_UNROLL
  for (std::size_t half = 0; half < 2; ++half) {
    float const found = largest_score(scores, half, rows.largest[half]);
    float const largest = Sparse && found == -INFINITY ? 0.0F : found;
    float const of_row = scale_of_row(largest, scale);
    float const shrink =
        ex2_approx(multiply_rounded(rows.largest[half], of_row) - multiply_rounded(largest, of_row));
    rows.largest[half] = found;
    rows.sum[half] = rows.sum[half] * shrink + exponentiate(scores, half, largest, scale);
    YONDER_UNROLL
    for (int n = 0; n < Values; ++n) {
      out[n].value[2 * half] *= shrink;
      out[n].value[2 * half + 1] *= shrink;
    }
  }
}

// Weights of the keys 16 * k to 16 * k + 15, rounded, as the left operand of the product with the values.
template <class T, int Fragments>
YONDER_DEVICE fragment_a rounded_weights(fragment_c const (&weights)[Fragments], int k) {
  auto const& left = weights[2 * k].value;
  auto const& right = weights[2 * k + 1].value;
  return {{pack<T>(left[0], left[1]), pack<T>(left[2], left[3]), pack<T>(right[0], right[1]),
           pack<T>(right[2], right[3])}};
}

}  // namespace yonder::kernels::cuda
