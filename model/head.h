// Head: nodes to symbols, decoded in steps as the paper says, and the loss of each step.
//
// First the modality ("none": nothing more comes), then the symbol head of that modality: text,
// audio, or red, then green given red, then blue given both; then its place and its item, where the
// model has heads for them. Each target token asks the modality head and its own modality's heads.
// Loss = sum over terms of weight * cross-entropy, divided by loss_divisor() of the whole batch (all
// ranks); every term is counted apart. A rank works on its own tokens; where the mesh cuts the
// channels, on a part of each head's classes.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/build.h"

namespace ortho {

// pixel: red + green + blue; place: all places of a token.
enum class Term { modality = 0, text = 1, pixel = 2, audio = 3, place = 4, item = 5 };
constexpr int kTerms = 6;
std::string term_name(Term term);  // "pixel"

struct TermWeights {
  std::array<double, kTerms> weight = {1, 1, 1, 1, 1, 1};
};

// Sums over target tokens; add over ranks and batches, then divide. With window means each target
// has the weight 1 / targets of its window, else 1.
struct TermSums {
  std::array<double, kTerms> nats{};           // summed weight * cross-entropy
  std::array<double, kTerms> asked{};          // summed weights of the tokens asked
  std::array<std::int64_t, kTerms> targets{};  // tokens asked; of place: places, one each axis
  std::array<std::int64_t, kTerms> hits{};     // largest logit was right (pixel: of 3 per token)
  std::int64_t scored = 0;                     // scored target tokens, or windows that have any
  void add(const TermSums& other);
  double loss(const TermWeights& weights) const;  // weighted nats per scored token, or window
  double mean(Term term) const;                   // nats per token asked
};

template <class T>
class Head {
 public:
  // `replica`: the ranks that hold the batch together, for logits(). `alike`: those with the same
  // tokens and other channels. Null if this one is alone; both outlive the head. Collective over
  // `alike`, as all that reads x, and what adds to gradients.
  explicit Head(const Build<T>& build, Channel* replica = nullptr, Channel* alike = nullptr);

  // x [nodes held at home, C], the stack's output. Only counts, like all sums over this rank's own
  // tokens; those that several ranks hold count on the first of them.
  TermSums score(const Batch& batch, const T* x);
  // Counts, adds to the weights' gradients and writes dx.
  // `normaliser`: loss_divisor() of all ranks.
  TermSums score_and_differentiate(const Batch& batch, const TermWeights& weights,
                                   double normaliser, const T* x, T* dx);

  // For generation: logits at rows t * B + b of the batch of the last forward_rows() call, in the
  // named step. Collective over the replica: each rank asks the same and gets all of them.
  void forward_rows(const T* x);  // norm and post map
  bool has(const std::string& head) const;
  std::int64_t classes(const std::string& head) const;
  // `given`: symbols decoded before in this token (red for green; red and green for blue),
  // one list per step.
  void logits(const std::string& head, std::span<const std::int32_t> rows,
              const std::vector<std::vector<std::int32_t>>& given, T* out);

 private:
  static constexpr std::int32_t kAll = -1, kItems = -2;
  struct Given {
    Param<T>* table;
    int symbol;  // which symbol of the target selects the row
  };
  struct Step {
    std::string name;
    Term term;
    std::int32_t modality;  // of the targets it is asked for; kAll, or kItems: all but the end
    int index;              // which symbol or which axis of the place
    Param<T>* weight;
    std::vector<Given> given;
    std::int64_t classes() const { return weight->spec.dims[1].size; }
    bool asks(const Target& target) const;
    std::int32_t wanted(const Target& target) const;                      // a class
    Range own() const { return {weight->box.lo[1], weight->box.hi[1]}; }  // of the classes
  };
  void add_step(Params<T>& params, const std::string& name, Term term, std::int32_t modality,
                int index);
  const Step& step_of(const std::string& head) const;
  void local_logits(const Step& step, std::span<const std::int32_t> rows,
                    const std::vector<std::vector<std::int32_t>>& given, T* out);
  void choose_rows(const Batch& batch, const Step& step);
  std::int64_t count_scored(const Batch& batch);
  void run_step(const Step& step, double scale, bool differentiate, TermSums& sums);
  void cross_entropy(const Step& step, std::int64_t first, std::int64_t count, double scale,
                     TermSums& sums);
  void to_stream(const T* x, T* dx);  // from wide_dh_
  void run_chunk(const Step& step, std::int64_t first, std::int64_t count, double scale,
                 bool differentiate, TermSums& sums);
  TermSums run(const Batch& batch, const TermWeights& weights, double normaliser,
               bool differentiate, const T* x, T* dx);

  Norm norm_;
  HeldRows held_;       // of the batch
  Nodes nodes_, wide_;  // with C and with the heads' width
  Channel *replica_, *alike_;
  Move<T>* gather_;  // all channels of the own rows; null: they are there
  Backend<T>& backend_;
  Param<T>*gain_ = nullptr, *post_ = nullptr;
  std::vector<Step> steps_;
  std::int64_t chunk_rows_ = 0;  // rows whose logits fit the scratch at once
  T *x_ = nullptr, *h_ = nullptr, *stats_ = nullptr, *dh_ = nullptr;  // x_: gathered
  T *wide_h_ = nullptr, *wide_dh_ = nullptr;  // after the post map; else h_ and dh_
  T *packed_ = nullptr, *dpacked_ = nullptr, *logits_ = nullptr;
  T* told_ = nullptr;  // [ranks alike][chunk rows][kSoftmaxPart]
  // Of the step being run: held rows asked, their targets (numbers among the own classes, -1: another
  // rank's), and the symbols each given-table selects.
  std::int64_t asked_ = 0;
  std::int32_t *rows_ = nullptr, *targets_ = nullptr;
  std::vector<std::int64_t> of_windows_;  // their targets, with window means
  std::vector<double> weights_;           // of the targets asked, with window means
  std::vector<std::int32_t*> selected_;   // as many as the step with the most given symbols needs
};

}  // namespace ortho
