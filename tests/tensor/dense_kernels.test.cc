// The tiles of every instruction set this machine has, against the loops their tasks stand for.
#include "tensor/cpu/dense_kernels.h"

#include <gtest/gtest.h>

#include "tensor/cpu/dense_isa.h"
#include "tests/support/dense_terms.h"

namespace ortho {
namespace {

template <class T>
struct InstructionSet {
  const char* name;
  bool here;
  const DenseKernels<T>* kernels;
};

template <class T>
std::vector<InstructionSet<T>> instruction_sets();
template <>
std::vector<InstructionSet<float>> instruction_sets() {
  return {{"baseline", true, &dense_baseline_float},
          {"avx2", __builtin_cpu_supports("x86-64-v3") != 0, &dense_avx2_float},
          {"avx512", __builtin_cpu_supports("x86-64-v4") != 0, &dense_avx512_float}};
}
template <>
std::vector<InstructionSet<double>> instruction_sets() {
  return {{"baseline", true, &dense_baseline_double},
          {"avx2", __builtin_cpu_supports("x86-64-v3") != 0, &dense_avx2_double},
          {"avx512", __builtin_cpu_supports("x86-64-v4") != 0, &dense_avx512_double}};
}

// All pairs, a triangle, and a band that reaches into the line before.
std::vector<Band> bands(std::int64_t inputs, std::int64_t outputs) {
  return {{0, 0, inputs, 0, 0, inputs},
          {0, 0, 1, 1, 0, inputs},
          {1 - outputs, 1, 1, 1, -outputs / 2, outputs}};
}

// act(k, j) for every pair of a band.
template <class Act>
void for_pairs(const Band& band, std::int64_t outputs, Act act) {
  for (std::int64_t j = 0; j < outputs; ++j)
    for (std::int64_t k = band.lo(j); k < band.hi(j); ++k) act(k, j);
}

constexpr std::int64_t kLines = 2, kInputs = 15, kOutputs = 15;
// Rows before a line's first, for the band that needs them.
constexpr std::int64_t kBefore = kOutputs;

// Whole numbers with space for kBefore rows of `row` elements in front.
template <class T>
struct Operand {
  Operand(std::int64_t row, std::int64_t count, std::uint64_t seed)
      : values(whole_numbers<T>(kBefore * row + count, seed)), first(kBefore * row) {}
  T* at() { return values.data() + first; }
  std::vector<T> values;
  std::int64_t first;
};

template <class T>
void check_rows(const DenseKernels<T>& kernels, std::int64_t run, const Band& band, bool add) {
  const std::int64_t pitch = kLines * run;
  Operand<T> a(1, kLines * kInputs * kOutputs, 1), x(pitch, kInputs * pitch, 2);
  std::vector<T> y(static_cast<size_t>(kOutputs * pitch), T(4)), expected(y.size(), add ? 4 : 0);
  // Steps 16 and -1 are those of causal taps, 1 and 15 those of a grid.
  const bool causal = band.lo_at < 0;
  const std::int64_t a_out = causal ? kInputs + 1 : 1, a_in = causal ? -1 : kOutputs;
  for (std::int64_t line = 0; line < kLines; ++line)
    for_pairs(band, kOutputs, [&](std::int64_t k, std::int64_t j) {
      const T weight = a.at()[line * kInputs * kOutputs + j * a_out + k * a_in];
      for (std::int64_t r = 0; r < run; ++r)
        expected[static_cast<size_t>(j * pitch + line * run + r)] +=
            weight * x.at()[k * pitch + line * run + r];
    });
  const std::vector<T> before = y;
  for (const bool in_cache : {false, true}) {
    y = before;
    kernels.rows({a.at(), x.at(), y.data(), kLines, kOutputs, run, kInputs * kOutputs, run, run,
                  a_out, a_in, pitch, pitch, band, add, in_cache});
    EXPECT_EQ(y, expected) << "rows, run " << run << " in cache " << in_cache;
  }
}

template <class T>
void check_dots(const DenseKernels<T>& kernels, std::int64_t run, const Band& band, bool add) {
  constexpr std::int64_t kSegments = 3, kColumns = kOutputs + kBefore + kInputs;
  const std::int64_t row = kLines * kSegments * run;
  Operand<T> u(row, kInputs * row, 1), v(row, kOutputs * row, 2);
  std::vector<T> d(static_cast<size_t>(kLines * kColumns * kOutputs), T(4)), expected = d;
  const auto index = [&](std::int64_t line, std::int64_t k, std::int64_t j) {
    return static_cast<size_t>((line * kColumns + kBefore + k) * kOutputs + j);
  };
  for (std::int64_t line = 0; line < kLines; ++line)
    for_pairs(band, kOutputs, [&](std::int64_t k, std::int64_t j) {
      T sum = 0;
      for (std::int64_t r = 0; r < kSegments * run; ++r)
        sum += u.at()[k * row + line * kSegments * run + r] *
               v.at()[j * row + line * kSegments * run + r];
      T& to = expected[index(line, k, j)];
      to = (add ? to : T(0)) + sum;
    });
  // Once as three segments, once as one run.
  for (const std::int64_t segments : {kSegments, std::int64_t{1}})
    for (const bool in_cache : {false, true}) {
      std::vector<T> result = d;
      const std::int64_t length = kSegments * run / segments;
      kernels.dots({u.at(), v.at(), result.data() + kBefore * kOutputs, kLines, kOutputs, segments,
                    length, kSegments * run, kSegments * run, kColumns * kOutputs, row, length, row,
                    length, kOutputs, 1, band, add, in_cache});
      EXPECT_EQ(result, expected) << "dots, run " << length;
    }
}

template <class T>
void check_channels(const DenseKernels<T>& kernels, std::int64_t channels, std::int64_t batch,
                    const Band& band) {
  const std::int64_t run = batch * channels, pitch = kLines * run;
  constexpr std::int64_t kWeights = 3 * kInputs * kOutputs;  // of a channel, room for every band
  const std::int64_t w_line = channels * kWeights;
  Operand<T> x(pitch, kInputs * pitch, 1), v(pitch, kOutputs * pitch, 2);
  std::vector<T> w = whole_numbers<T>(kLines * w_line, 3), dw = w, expected_dw = w;
  std::vector<T> y(static_cast<size_t>(kOutputs * pitch)), expected(y.size());
  constexpr std::int64_t kFirst = kInputs * kOutputs;  // so that negative k stays inside
  for (std::int64_t line = 0; line < kLines; ++line)
    for_pairs(band, kOutputs, [&](std::int64_t k, std::int64_t j) {
      for (std::int64_t i = 0; i < run; ++i) {
        const auto at = static_cast<size_t>(line * w_line + i % channels * kWeights + kFirst +
                                            k * kOutputs + j);
        const std::int64_t in = k * pitch + line * run + i, out = j * pitch + line * run + i;
        expected[static_cast<size_t>(out)] += w[at] * x.at()[in];
        expected_dw[at] += x.at()[in] * v.at()[out];
      }
    });
  kernels.channel_rows({w.data() + kFirst, x.at(), y.data(), kLines, kOutputs, batch, channels,
                        w_line, run, run, kWeights, 1, kOutputs, pitch, pitch, band, false});
  kernels.channel_dots({x.at(), v.at(), dw.data() + kFirst, kLines, kOutputs, batch, channels, run,
                        run, w_line, pitch, pitch, kWeights, kOutputs, 1, band});
  EXPECT_EQ(y, expected) << "channel_rows";
  EXPECT_EQ(dw, expected_dw) << "channel_dots";
}

// Three axes of two and then the last two of them, three places a row.
template <class T>
void check_pairs(const DenseKernels<T>& kernels, std::int64_t batch, bool add, bool back) {
  constexpr std::int64_t kRows = 16, kPlaces = 3, kSteps[] = {8, 4, 1};
  const std::int64_t row = kPlaces * batch + 16, w_row = 2 * kPlaces, w_axis = kRows * w_row;
  const std::vector<T> w = whole_numbers<T>(3 * w_axis, 1), u = whole_numbers<T>(kRows * row, 2),
                       v = whole_numbers<T>(kRows * row, 3);
  for (const int axes : {3, 2, 1}) {
    const std::int64_t first = 3 - axes;
    std::vector<T> y(u.size(), T(4)), d(w.size(), T(4)), expected_y = y, expected_d = d;
    for (std::int64_t k = 0; k < kRows; ++k)
      for (std::int64_t at = 0; at < kPlaces * batch; ++at) {
        if (!add) expected_y[static_cast<size_t>(k * row + at)] = 0;
      }
    for (std::int64_t axis = first; axis < 3; ++axis)
      for (std::int64_t k = 0; k < kRows; ++k)
        for (const std::int64_t j : {k, k ^ kSteps[axis]})
          for (std::int64_t place = 0; place < kPlaces; ++place) {
            const auto weight = static_cast<size_t>(axis * w_axis + k * w_row + 2 * place +
                                                    ((j & kSteps[axis]) != 0));
            T sum = 0;
            for (std::int64_t b = place * batch; b < (place + 1) * batch; ++b) {
              const auto from = static_cast<size_t>((back ? j : k) * row + b);
              expected_y[static_cast<size_t>((back ? k : j) * row + b)] += w[weight] * u[from];
              sum += u[static_cast<size_t>(k * row + b)] * v[static_cast<size_t>(j * row + b)];
            }
            expected_d[weight] = sum;
          }
    PairsTask<T> task{};
    task.axes = axes;
    for (std::int64_t a = 0; a < axes; ++a) {
      task.w[a] = w.data() + (first + a) * w_axis;
      task.step[a] = kSteps[first + a];
    }
    task.x = u.data();
    task.y = y.data();
    task.rows = kRows;
    task.places = kPlaces;
    task.batch = batch;
    task.row = row;
    task.w_row = w_row;
    task.back = back;
    task.add = add;
    kernels.pairs(task);
    EXPECT_EQ(y, expected_y) << "pairs, axes " << axes << " batch " << batch;
    kernels.pairs_dots({kSteps + first, axes, u.data(), v.data(), d.data() + first * w_axis, kRows,
                        kPlaces, batch, row, w_axis, w_row});
    EXPECT_EQ(d, expected_d) << "pairs_dots, axes " << axes << " batch " << batch;
  }
}

template <class T>
void check_all() {
  for (const InstructionSet<T>& set : instruction_sets<T>()) {
    SCOPED_TRACE(set.name);
    if (!set.here) continue;
    for (const std::int64_t batch : {16, 48})
      for (const bool add : {false, true})
        for (const bool back : {false, true}) check_pairs(*set.kernels, batch, add, back);
    for (const Band& band : bands(kInputs, kOutputs))
      for (const std::int64_t run : {1, 5, 16, 31, 47}) {
        for (const bool add : {false, true}) {
          check_rows(*set.kernels, run, band, add);
          check_dots(*set.kernels, run, band, add);
        }
        check_channels(*set.kernels, run, 11, band);
      }
  }
}

TEST(DenseKernels, EveryInstructionSetEqualsTheLoopsInFloat) { check_all<float>(); }
TEST(DenseKernels, EveryInstructionSetEqualsTheLoopsInDouble) { check_all<double>(); }

}  // namespace
}  // namespace ortho
