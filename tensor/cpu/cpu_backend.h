// CpuBackend: the Backend on this machine's cores. One operation, one file in this folder.
//
// Hot loops are compiled for several instruction sets and chosen when the program starts
// (ORTHO_CLONES, whose value CMakeLists.txt gives). Results depend on the instruction set, never on
// the number of threads.
#pragma once

#include <memory>
#include <string>

#include "tensor/backend.h"
#include "tensor/buffer.h"
#include "tensor/cpu/cpu_device.h"
#include "tensor/cpu/pause.h"

namespace ortho {

template <class T>
class CpuBackend final : public Backend<T> {
 public:
  explicit CpuBackend(int threads);
  std::string name() const override { return "cpu"; }
  void set_between_tiles(std::function<void()> act) override { pause_.set(std::move(act)); }
  Device& device() override { return device_; }

  // gemm.cc
  void gemm(Transpose ta, Transpose tb, std::int64_t m, std::int64_t n, std::int64_t k, const T* a,
            std::int64_t lda, const T* b, std::int64_t ldb, T* c, std::int64_t ldc,
            bool add) override;
  // channel_map.cc
  void channel_map(const Nodes& nodes, std::int64_t out, const T* x, const T* w, T* y,
                   bool add) override;
  void channel_map_dx(const Nodes& nodes, std::int64_t out, const T* dy, const T* w, T* dx,
                      bool add) override;
  void channel_map_dw(const Nodes& nodes, std::int64_t out, const T* x, const T* dy,
                      T* dw) override;
  // dense.cc
  void dense(const DenseMap& map, const T* x, const T* w, T* y, bool add) override;
  void dense_dx(const DenseMap& map, const T* dy, const T* w, T* dx, bool add) override;
  void dense_dw(const DenseMap& map, const T* x, const T* dy, T* dw) override;
  // dense_sum.cc
  void dense_sum(std::span<const DenseTerm<T>> terms, const T* x, T* y, bool add) override;
  void dense_sum_back(std::span<const DenseTerm<T>> terms, const T* x, const T* dy, T* dx,
                      bool add) override;
  bool updates_in_sum(const DenseMap& map) const override;
  // dense_token.cc
  void dense_token(const DenseMap& map, std::int64_t token, std::span<const T* const> inputs,
                   const T* w, T* y, bool add) override;
  // bias.cc
  void add_bias(const Nodes& nodes, const T* bias, T* x) override;
  void bias_dw(const Nodes& nodes, const T* dx, T* dbias) override;
  // open_channel_map.cc
  void open_channel_map(const Nodes& nodes, std::int64_t out, const OpenRoom<T>& room, const T* x,
                        const T* w, T* y, bool add) override;
  void open_channel_map_dx(const Nodes& nodes, std::int64_t out, const OpenRoom<T>& room,
                           const T* dy, const T* w, T* dx, bool add) override;
  void open_channel_map_dw(const Nodes& nodes, std::int64_t out, const OpenRoom<T>& room,
                           const T* x, const T* dy, const T* w, T* dw) override;
  // lines.cc
  void gather_lines(const Nodes& nodes, const Lines& lines, const T* x, T* rows) override;
  void scatter_lines(const Nodes& nodes, const Lines& lines, const T* rows, T* x,
                     bool add) override;
  // attention.cc
  void attend(const Attention& attention, const T* q, const T* k, const T* v, const T* bias, T* z,
              T* log_sum) override;
  void attend_back(const Attention& attention, const T* q, const T* k, const T* v, const T* bias,
                   const T* log_sum, const T* dz, T* dq, T* dk, T* dv, T* dbias, T* work) override;
  // norm.cc
  void norm(Norm kind, const Nodes& nodes, double epsilon, const T* x, const T* gain, T* h,
            T* stats) override;
  void norm_dx(Norm kind, const Nodes& nodes, const T* x, const T* gain, const T* stats,
               const T* dh, T* dx, T* dgain) override;
  // activate.cc
  void activate(const Gate& gate, const Nodes& nodes, const T* z, T* q) override;
  void activate_dz(const Gate& gate, const Nodes& nodes, const T* z, const T* dq, T* dz) override;
  // dropout.cc
  void dropout(const Nodes& nodes, const HeldRows& rows, const Drop& drop, T* x) override;
  // keep_largest.cc
  void keep_largest(const Nodes& nodes, std::int64_t count, T* x) override;
  // move.cc
  void copy(std::int64_t count, const T* from, T* to) override;
  void add(std::int64_t count, const T* x, T* y) override;
  void zero(std::int64_t count, T* x) override;
  // embed.cc
  void embed(const Nodes& nodes, std::span<const std::int32_t> rows, const T* table, T* x) override;
  void embed_dw(const Nodes& nodes, std::span<const std::int32_t> rows, const T* dx,
                T* dtable) override;
  void pack_rows(const Nodes& nodes, std::span<const std::int32_t> at, const T* x,
                 T* packed) override;
  void unpack_rows(const Nodes& nodes, std::span<const std::int32_t> at, const T* packed,
                   T* x) override;
  // cross_entropy.cc
  void cross_entropy(std::int64_t rows, std::int64_t classes, std::span<const std::int32_t> target,
                     std::span<const double> weight, double scale, T* logits, double* loss,
                     std::int64_t* hits) override;
  void softmax_part(std::int64_t rows, std::int64_t classes, std::span<const std::int32_t> target,
                    const T* logits, T* part) override;
  void cross_entropy_part(std::int64_t rows, std::int64_t classes,
                          std::span<const std::int32_t> target, std::span<const double> weight,
                          double scale, std::int64_t parts, const T* told, T* logits, double* loss,
                          std::int64_t* hits) override;
  // update.cc
  double sum_squares(std::int64_t count, const T* x) override;
  void adamw(const AdamwStep& step, std::int64_t count, const T* grad, T* weight, T* first,
             T* second) override;
  void sgd(const SgdStep& step, std::int64_t count, const T* grad, T* weight, T* velocity) override;

 private:
  Pause pause_;
  CpuDevice device_;
  static constexpr std::int64_t kSumRoom = 1 << 19;  // elements a thread: more than a second cache
  int threads_;
  Buffer<T> room_;  // of all threads, for the blocks of a dense sum
};

}  // namespace ortho
