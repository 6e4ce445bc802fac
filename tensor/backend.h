// Backend: the operations a device offers to the model. The model never touches a number itself.
//
// T is float in training and double where gradients are checked. Activations are described by Nodes
// (shape and order); weights are row-major. `add` chooses y += … over y = …; gradients of weights
// always add. Nothing here allocates once the backend stands: callers pass workspace.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "core/error.h"
#include "core/random.h"
#include "tensor/attention.h"
#include "tensor/dense.h"
#include "tensor/device.h"
#include "tensor/formulas.h"
#include "tensor/held_rows.h"
#include "tensor/nodes.h"
#include "tensor/token.h"

namespace ortho {

enum class Transpose { no, yes };

// What f does between the map and the way out: z has `gated` channels in, q `hidden` out.
struct Gate {
  Activation activation = Activation::melu;
  bool gate = true;         // z holds (u, v) of E channels each and q = u * act(v); else q = act(z)
  std::int64_t active = 0;  // the activation works on the first `active` of the E channels
};

// One line of an axis gathers s tokens into one row; see gather_lines.
struct Lines {
  std::int64_t outer = 0;   // positions on the axes outside
  std::int64_t size = 0;    // s_i
  std::int64_t stride = 0;  // tokens between neighbours on the axis
};

// What dropout draws by, beside the rows.
struct Drop {
  double p = 0;  // chance of a zero
  Random random;
  std::int64_t first_window = 0;   // global number of the batch's window 0
  std::int64_t first_channel = 0;  // global number of x's channel 0
};

// A piece of one-dimensional optimizer work: `count` weights that share one step count.
struct AdamwStep {
  double rate, beta1, beta2, epsilon, decay;  // decay is already 0 where it does not apply
  double gradient_scale;                      // clipping
  std::int64_t step;                          // of these weights, from 1: bias correction
  double opened = 0;  // above 0: weights of 0 stay as they are, all others stay this far from it
};

struct SgdStep {
  double rate, momentum, decay, gradient_scale;
  double opened = 0;  // as above
};

constexpr std::int64_t kSoftmaxPart = 3;  // numbers that a part tells of a row

// What a channel map of a sparse weight [C][E] works in.
template <class T>
struct OpenRoom {
  double density = 1;              // of the weight
  T* values = nullptr;             // C * E; null: nothing is skipped with the channels innermost
  std::int32_t* inputs = nullptr;  // C * E + max(C, E) + 1
};

// One map of a sum of several, and its weight.
template <class T>
struct DenseTerm {
  DenseMap map;
  T* w;
  T* dw = nullptr;                        // what its gradient adds to; null: none is wanted
  const AdamwStep* update = nullptr;      // moves w at once, and no gradient is kept: dw is null
  T *first = nullptr, *second = nullptr;  // its moments
};

template <class T>
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string name() const = 0;  // "cpu", "cuda"
  virtual Device& device() = 0;          // every T* below is memory of it; spans are the host's

  // From here on long operations call `act` between their tiles, about every 50 us and from the
  // thread that called them: messages under way move on. It must not throw. Empty: no longer. A
  // device that leaves this thread free has no such tiles.
  virtual void set_between_tiles(std::function<void()> /*act*/) {}

  // C[m][n] = op(A)[m][k] * op(B)[k][n] (+ C). Row-major with leading dimensions.
  virtual void gemm(Transpose ta, Transpose tb, std::int64_t m, std::int64_t n, std::int64_t k,
                    const T* a, std::int64_t lda, const T* b, std::int64_t ldb, T* c,
                    std::int64_t ldc, bool add) = 0;

  // y[t,b,:] = x[t,b,:] * W, W [C][E]; C = nodes.channels of x, E = `out` of y. Same order.
  virtual void channel_map(const Nodes& nodes, std::int64_t out, const T* x, const T* w, T* y,
                           bool add) = 0;
  virtual void channel_map_dx(const Nodes& nodes, std::int64_t out, const T* dy, const T* w, T* dx,
                              bool add) = 0;
  virtual void channel_map_dw(const Nodes& nodes, std::int64_t out, const T* x, const T* dy,
                              T* dw) = 0;

  // The same for a sparse W: what is 0 may be skipped, and dw left as it is there.
  virtual void open_channel_map(const Nodes& nodes, std::int64_t out, const OpenRoom<T>& room,
                                const T* x, const T* w, T* y, bool add) = 0;
  virtual void open_channel_map_dx(const Nodes& nodes, std::int64_t out, const OpenRoom<T>& room,
                                   const T* dy, const T* w, T* dx, bool add) = 0;
  virtual void open_channel_map_dw(const Nodes& nodes, std::int64_t out, const OpenRoom<T>& room,
                                   const T* x, const T* dy, const T* w, T* dw) = 0;

  // The dense map along one axis; dense_dw adds to dw.
  virtual void dense(const DenseMap& map, const T* x, const T* w, T* y, bool add) = 0;
  virtual void dense_dx(const DenseMap& map, const T* dy, const T* w, T* dx, bool add) = 0;
  virtual void dense_dw(const DenseMap& map, const T* x, const T* dy, T* dw) = 0;

  // y (+)= the sum of the maps of x, all of one shape: each map's output is rounded as dense() rounds
  // it and added in its turn. Back: dx (+)= their adjoints of dy, by the weights before any update.
  // dx may be x where there is one term.
  virtual void dense_sum(std::span<const DenseTerm<T>> terms, const T* x, T* y, bool add) {
    for (size_t i = 0; i < terms.size(); ++i) dense(terms[i].map, x, terms[i].w, y, add || i > 0);
  }
  virtual void dense_sum_back(std::span<const DenseTerm<T>> terms, const T* x, const T* dy, T* dx,
                              bool add) {
    for (const DenseTerm<T>& term : terms) {
      ASSERT(!term.update, "this backend keeps gradients");
      if (term.dw) dense_dw(term.map, x, dy, term.dw);
    }
    for (size_t i = 0; i < terms.size(); ++i)
      dense_dx(terms[i].map, dy, terms[i].w, dx, add || i > 0);
  }
  // Whether a term of this map may have an update.
  virtual bool updates_in_sum(const DenseMap&) const { return false; }

  // One token of a causal map along a token axis, from inputs kept elsewhere: y[c,b] (+)= sum over d
  // of W(token, c, d) * inputs[d][c,b], where inputs[d] is the token d steps back on the axis. As
  // many as there are. The sum is in the order of dense(), so both give the same numbers.
  virtual void dense_token(const DenseMap& map, std::int64_t token,
                           std::span<const T* const> inputs, const T* w, T* y, bool add) = 0;

  // x[t,b,:] += bias; and its gradient, summed over t and then b in rising order.
  virtual void add_bias(const Nodes& nodes, const T* bias, T* x) = 0;
  virtual void bias_dw(const Nodes& nodes, const T* dx, T* dbias) = 0;

  // lines[(outer, stride, b)][s * C] from x in either order, and back (y may add).
  virtual void gather_lines(const Nodes& nodes, const Lines& lines, const T* x, T* rows) = 0;
  virtual void scatter_lines(const Nodes& nodes, const Lines& lines, const T* rows, T* x,
                             bool add) = 0;

  // log_sum [heads][tokens][batch]: of the scores' exponentials; backward computes with it what it
  // needs of them again. attend_back overwrites dq and adds to dk, dv and dbias; work
  // [heads][2][sources].
  virtual void attend(const Attention& attention, const T* q, const T* k, const T* v, const T* bias,
                      T* z, T* log_sum) = 0;
  virtual void attend_back(const Attention& attention, const T* q, const T* k, const T* v,
                           const T* bias, const T* log_sum, const T* dz, T* dq, T* dk, T* dv,
                           T* dbias, T* work) = 0;

  // h = (x - mean) * rho * gain over channels (mean = 0 for rms). stats keeps mean and rho per
  // token and window: [2][rows]. norm_dx adds to dx and to dgain.
  virtual void norm(Norm kind, const Nodes& nodes, double epsilon, const T* x, const T* gain, T* h,
                    T* stats) = 0;
  virtual void norm_dx(Norm kind, const Nodes& nodes, const T* x, const T* gain, const T* stats,
                       const T* dh, T* dx, T* dgain) = 0;

  // nodes.channels = E, the channels of q. activate_dz overwrites dz.
  virtual void activate(const Gate& gate, const Nodes& nodes, const T* z, T* q) = 0;
  virtual void activate_dz(const Gate& gate, const Nodes& nodes, const T* z, const T* dq,
                           T* dz) = 0;

  // In place: zero with probability p, else times 1 / (1 - p). `rows`: where those of x lie in the
  // batch. The draw of a node is a function of `random`, its global window * T + its global token,
  // and its global channel alone, so forward and backward, both orders and every mesh agree.
  virtual void dropout(const Nodes& nodes, const HeldRows& rows, const Drop& drop, T* x) = 0;

  // In place: of each row's channels the `count` of largest magnitude stay, the first where they are
  // equal; the others become 0.
  virtual void keep_largest(const Nodes& nodes, std::int64_t count, T* x) = 0;

  virtual void copy(std::int64_t count, const T* from, T* to) = 0;
  virtual void add(std::int64_t count, const T* x, T* y) = 0;  // y += x
  virtual void zero(std::int64_t count, T* x) = 0;

  // x[t,b,:] += table[row of (t,b)][:]; rows [t][b], negative = none. embed_dw adds in token order.
  virtual void embed(const Nodes& nodes, std::span<const std::int32_t> rows, const T* table,
                     T* x) = 0;
  virtual void embed_dw(const Nodes& nodes, std::span<const std::int32_t> rows, const T* dx,
                        T* dtable) = 0;

  // Rows (t * B + b) chosen by `at`, packed as [at.size()][C]
  // whatever the order; and the way back, adding.
  virtual void pack_rows(const Nodes& nodes, std::span<const std::int32_t> at, const T* x,
                         T* packed) = 0;
  virtual void unpack_rows(const Nodes& nodes, std::span<const std::int32_t> at, const T* packed,
                           T* x) = 0;

  // logits [rows][classes] become scale * weight * (softmax - onehot(target)). Adds each row's
  // weight * cross-entropy in nats to *loss and its hits (largest logit is the target) to *hits.
  // Without weights each is 1.
  virtual void cross_entropy(std::int64_t rows, std::int64_t classes,
                             std::span<const std::int32_t> target, std::span<const double> weight,
                             double scale, T* logits, double* loss, std::int64_t* hits) = 0;
  // The same where each rank has some of a row's classes; a target of another rank is negative.
  // First softmax_part tells of its own, [rows][kSoftmaxPart]: the largest logit (-inf without
  // classes), the sum of exp(logit - largest), the target's logit (0 if it is another rank's). Then,
  // with what all `parts` told, [parts][rows][kSoftmaxPart], loss and hits are those of whole rows.
  virtual void softmax_part(std::int64_t rows, std::int64_t classes,
                            std::span<const std::int32_t> target, const T* logits, T* part) = 0;
  virtual void cross_entropy_part(std::int64_t rows, std::int64_t classes,
                                  std::span<const std::int32_t> target,
                                  std::span<const double> weight, double scale, std::int64_t parts,
                                  const T* told, T* logits, double* loss, std::int64_t* hits) = 0;

  virtual double sum_squares(std::int64_t count, const T* x) = 0;
  virtual void adamw(const AdamwStep& step, std::int64_t count, const T* grad, T* weight, T* first,
                     T* second) = 0;
  // velocity = momentum * velocity + scale * g; w -= rate * (velocity + decay * w).
  virtual void sgd(const SgdStep& step, std::int64_t count, const T* grad, T* weight,
                   T* velocity) = 0;
};

// The CPU's: oneDNN for large products in float, own loops elsewhere. `threads` per rank.
template <class T>
std::unique_ptr<Backend<T>> make_cpu_backend(int threads);

}  // namespace ortho
