#include "dataio/loader.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "core/error.h"
#include "dataio/masking.h"

namespace ortho {
namespace {

// Lays windows of records into batches. `epoch` keys the random padding.
struct WindowMaker {
  const Dataset& dataset;
  TokenRule tokens;
  WindowRule rule;
  std::uint64_t seed;

  std::int64_t spare_before(std::int64_t record, std::int64_t spare, std::int64_t epoch) const {
    return rule.padding == Padding::end ? 0 : random_padding(seed, epoch, record, spare);
  }

  // `mask`: what diffusion draws by.
  void make(const SampleList::Window& from, std::int64_t epoch, const MaskDraw& mask,
            std::int64_t window, Batch& batch) const {
    const auto items = dataset.items(from.record);
    if (rule.objective == Objective::one_shot)
      return make_one_shot(from, items, epoch, window, batch);
    const std::int64_t length = total_tokens(items);
    const std::int64_t spare = count_windows(length, rule.tokens) * rule.tokens - length;
    const auto read = [&](Range which, std::vector<Token>& out) {
      dataset.read(from.record, which, tokens, out);
    };
    lay_next_token(from.index, spare_before(from.record, spare, epoch), length, rule, read, window,
                   batch);
    if (rule.objective == Objective::diffusion) mask_window(mask, window, batch);
  }

  void make_one_shot(const SampleList::Window& from, const std::vector<ItemSize>& items,
                     std::int64_t epoch, std::int64_t window, Batch& batch) const {
    const auto plan = plan_one_shot(items, rule);
    ASSERT(plan.has_value(), "record ", from.record, " gives no one_shot window");
    std::vector<Token> input, output;
    std::int32_t item = 0;
    read_some(from.record, plan->inputs, plan->input_tokens, items, item, input);
    const std::int32_t output_item = item;
    read_some(from.record, plan->outputs, plan->output_tokens, items, item, output);
    lay_one_shot(input, output, output_item, spare_before(from.record, plan->spare(rule), epoch),
                 rule, window, batch);
  }

  // The first `count` tokens of these items, numbered on from `item`.
  void read_some(std::int64_t record, const std::vector<std::size_t>& which, std::int64_t count,
                 const std::vector<ItemSize>& items, std::int32_t& item,
                 std::vector<Token>& out) const {
    for (const std::size_t part : which) {
      const std::int64_t left = count - static_cast<std::int64_t>(out.size());
      dataset.read(record, part, {0, std::min(left, items[part].tokens)}, item++, tokens, out);
    }
  }
};

// Windows `own` of a batch, empty, with the tokens that are kept.
Batch new_batch(const LoaderOptions& options, const Range& own) {
  const std::int64_t tokens = options.window.tokens;
  if (!options.held) return empty_batch(tokens, own.size(), own.lo, options.window.objective);
  ASSERT(elements(options.held->batch) == tokens && options.held->windows() == 1,
         "the tokens kept are some of ", shape_text(options.held->batch), ", windows have ",
         tokens);
  Batch batch = empty_batch(options.held->count(), own.size(), own.lo);
  batch.tokens = tokens;
  batch.part = true;
  return batch;
}

// Lays one window into column `window` of such a batch.
void lay_window(const WindowMaker& maker, const LoaderOptions& options,
                const SampleList::Window& from, std::int64_t epoch, const MaskDraw& mask,
                std::int64_t window, Batch& batch) {
  if (!options.held) return maker.make(from, epoch, mask, window, batch);
  Batch one = empty_batch(options.window.tokens, 1, 0);
  maker.make(from, epoch, mask, 0, one);
  for_each_row(*options.held, [&](std::int64_t local, std::int64_t token) {
    const auto at = static_cast<std::size_t>(local * batch.windows + window);
    batch.input[at] = one.input[static_cast<std::size_t>(token)];
    batch.target[at] = one.target[static_cast<std::size_t>(token)];
  });
}

}  // namespace

SampleList::SampleList(const Dataset& dataset, const WindowRule& rule)
    : dataset_(&dataset), first_sample_{0} {
  REQUIRE(rule.tokens >= 1, "windows need at least one token, not ", rule.tokens);
  for (std::int64_t record = 0; record < dataset.records(); ++record) {
    const auto items = dataset.items(record);
    const std::int64_t windows = windows_of(items, rule);
    if (rule.objective == Objective::one_shot) {
      skipped_ += windows == 0 ? 1 : 0;
      cut_ += windows == 1 && total_tokens(items) > rule.tokens ? 1 : 0;
    }
    first_sample_.push_back(first_sample_.back() + windows);
  }
}

std::vector<UnitSize> SampleList::units() const {
  std::vector<UnitSize> units;
  for (std::int64_t u = 0; u < dataset_->units(); ++u) {
    const Range records = dataset_->records_of(u);
    units.push_back(
        {dataset_->blocks_of(u), first_sample_[static_cast<std::size_t>(records.hi)] -
                                     first_sample_[static_cast<std::size_t>(records.lo)]});
  }
  return units;
}

SampleList::Window SampleList::window(std::int64_t sample) const {
  ASSERT(sample >= 0 && sample < samples(), "sample ", sample, " of ", samples());
  const auto after = std::upper_bound(first_sample_.begin(), first_sample_.end(), sample);
  return {after - first_sample_.begin() - 1, sample - *(after - 1)};
}

SampleList::Window SampleList::window(const SampleId& id) const {
  const Range records = dataset_->records_of(id.unit);
  return window(first_sample_[static_cast<std::size_t>(records.lo)] + id.sample);
}

struct Loader::State {
  State(const Dataset& dataset, const Vocabulary& vocabulary, const LoaderOptions& given,
        const Cursor& start)
      : options(given),
        maker{dataset,
              {vocabulary, given.audio_bits, word_rule(given.window.objective)},
              given.window,
              given.order.seed},
        list(dataset, given.window),
        units(list.units()),
        own(owned_windows(given.windows, given.order.streams, given.replicas, given.replica)),
        plan(units, given.order, given.windows, start.epoch),
        planned_epoch(start.epoch),
        per_epoch(plan.samples() / given.windows * given.windows),
        making(start),
        given_out(start) {
    REQUIRE(start.epoch >= 0 && start.consumed >= 0 && start.consumed <= plan.samples(),
            "the data cursor is at sample ", start.consumed, " of epoch ", start.epoch,
            ", which has ", plan.samples(), " samples: these are other data or other settings");
  }

  // The batch at `making`, and moves it on. Called by one thread.
  Batch make() {
    if (making.consumed + options.windows > plan.samples()) making = {making.epoch + 1, 0};
    if (making.epoch != planned_epoch) {
      plan = EpochPlan(units, options.order, options.windows, making.epoch);
      planned_epoch = making.epoch;
    }
    const auto samples = batch_samples(making.consumed, options.windows, plan.streams());
    Batch batch = new_batch(options, own);
    for (std::int64_t window = 0; window < own.size(); ++window) {
      const SampleId id = plan.at(samples[static_cast<std::size_t>(own.lo + window)]);
      const MaskDraw mask = {options.order.seed, making.epoch, making.consumed, own.lo + window,
                             options.windows};
      lay_window(maker, options, list.window(id), making.epoch, mask, window, batch);
    }
    making.consumed += options.windows;
    return batch;
  }

  void run() {  // the thread: one batch lies ready while the next is made
    try {
      while (true) {
        Batch batch = make();
        std::unique_lock lock(mutex);
        changed.wait(lock, [this] { return stop || !ready; });
        if (stop) return;
        ready = Ready{std::move(batch), making};
        changed.notify_all();
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      failure = std::current_exception();
      changed.notify_all();
    }
  }

  // With a plan of its own: the thread uses the other one.
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    if (given_out.consumed == 0) return names;
    const Cursor at = {given_out.epoch, given_out.consumed - options.windows};
    EpochPlan order(units, options.order, options.windows, at.epoch);
    const auto samples = batch_samples(at.consumed, options.windows, order.streams());
    for (std::int64_t window = own.lo; window < own.hi; ++window) {
      const auto from = list.window(order.at(samples[static_cast<std::size_t>(window)]));
      names.push_back(text(maker.dataset.name(from.record), ", window ", from.index, " of it"));
    }
    return names;
  }

  struct Ready {
    Batch batch;
    Cursor behind;
  };

  const LoaderOptions options;
  const WindowMaker maker;
  const SampleList list;
  const std::vector<UnitSize> units;
  const Range own;  // windows of the global batch
  EpochPlan plan;
  std::int64_t planned_epoch;
  const std::int64_t per_epoch;  // samples in whole batches: the same in every epoch
  Cursor making;                 // of the next batch to make
  Cursor given_out;              // behind the last batch that next() gave

  std::mutex mutex;  // guards the four below
  std::condition_variable changed;
  std::optional<Ready> ready;
  std::exception_ptr failure;
  bool stop = false;
  std::thread thread;
};

Loader::Loader(const Dataset& dataset, const Vocabulary& vocabulary, const LoaderOptions& options,
               const Cursor& cursor)
    : state_(std::make_unique<State>(dataset, vocabulary, options, cursor)) {
  State* state = state_.get();
  if (options.prefetch) state->thread = std::thread([state] { state->run(); });
}

Loader::~Loader() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->changed.notify_all();
  if (state_->thread.joinable()) state_->thread.join();
}

Batch Loader::next() {
  State& state = *state_;
  if (!state.thread.joinable()) {
    if (state.failure) std::rethrow_exception(state.failure);
    try {
      Batch batch = state.make();
      state.given_out = state.making;
      return batch;
    } catch (...) {
      state.failure = std::current_exception();
      throw;
    }
  }
  std::unique_lock lock(state.mutex);
  state.changed.wait(lock, [&state] { return state.ready || state.failure; });
  if (!state.ready) std::rethrow_exception(state.failure);
  State::Ready ready = std::move(*state.ready);
  state.ready.reset();
  state.given_out = ready.behind;
  state.changed.notify_all();
  return std::move(ready.batch);
}

std::vector<std::string> Loader::window_names() const { return state_->names(); }
Cursor Loader::cursor() const { return state_->given_out; }
std::int64_t Loader::samples() const { return state_->list.samples(); }
std::int64_t Loader::samples_per_epoch() const { return state_->per_epoch; }
std::int64_t Loader::skipped() const { return state_->list.skipped(); }
std::int64_t Loader::cut() const { return state_->list.cut(); }

HeldOut::HeldOut(const Dataset& dataset, const Vocabulary& vocabulary, const LoaderOptions& options)
    : dataset_(&dataset),
      vocabulary_(&vocabulary),
      options_(options),
      list_(dataset, options.window) {
  options_.window.padding = Padding::end;
  owned_windows(options.windows, options.windows, options.replicas, options.replica);  // checks
  restart();
}

void HeldOut::restart(std::int64_t windows) {
  given_ = 0;
  wanted_ = batches();
  if (windows > 0) wanted_ = std::min(wanted_, count_windows(windows, options_.windows));
}

std::int64_t HeldOut::batches() const { return count_windows(samples(), options_.windows); }

std::optional<Batch> HeldOut::next() {
  if (given_ == wanted_) return std::nullopt;
  const std::int64_t number = given_ * batches() / wanted_;
  const WindowMaker maker{*dataset_,
                          {*vocabulary_, options_.audio_bits, word_rule(options_.window.objective)},
                          options_.window,
                          options_.order.seed};
  const Range own = split(options_.windows, options_.replicas, options_.replica);
  Batch batch = new_batch(options_, own);
  for (std::int64_t window = 0; window < own.size(); ++window) {
    const std::int64_t sample = number * options_.windows + own.lo + window;
    if (sample < samples())
      lay_window(maker, options_, list_.window(sample), 0,
                 held_out_draw(options_.order.seed, sample), window, batch);
  }
  ++given_;
  return batch;
}

}  // namespace ortho
