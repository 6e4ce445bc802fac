// A step of the paper's layer beside this machine's limits and, where there is one, PyTorch:
// forward, mean squared error, backward with the input's gradient, and Adam, in float32, in bursts
// that take turns.
//
//   build/release/bench/layer [--threads 2] [--case 16x16x16x16:64:separate:parallel]
//       [--rounds 6] [--burst 0.3] [--torch /usr/bin/python3]... [--compile]
//
// `fused`: Adam moves a weight as soon as its gradient is known. `stored`: all gradients first. `each`:
// axis after axis, gradients stored, no blocks. The roofline is the sum over the three phases of
// the larger of arithmetic and memory time, by the rates measured in this run.
#include <sys/resource.h>

#include <cmath>
#include <cstring>
#include <memory>

#include "bench/peer.h"
#include "bench/rates.h"
#include "core/random.h"
#include "tensor/backend.h"

namespace ortho {
namespace {

struct Case {
  Shape grid;
  std::int64_t batch;
  bool shared, chained;
  std::string name;
  Shape tokens() const { return {grid.begin(), grid.end() - 1}; }
  double nodes() const { return static_cast<double>(elements(grid) * batch); }
};

Case parse(const std::string& text) {
  Case c{{},
         0,
         text.find(":shared") != std::string::npos,
         text.find(":sequential") != std::string::npos,
         text};
  std::istringstream words(text);
  char separator = 'x';
  for (std::int64_t size; separator == 'x' && words >> size; words >> separator)
    c.grid.push_back(size);
  words >> c.batch;
  REQUIRE(c.batch >= 1 && !c.grid.empty(), "case ", text,
          ": like 16x16x16x16:64:separate:parallel");
  return c;
}

struct Weight {
  DenseMap map;
  Buffer<float> w, dw, first, second;
};

enum class Kind { fused, stored, each };
constexpr const char* kNames[] = {"fused", "stored", "each"};

class Layer {
 public:
  Layer(const Case& c, Kind kind, Backend<float>& backend)
      : case_(c), kind_(kind), backend_(backend), count_(elements(c.grid) * c.batch) {
    for (Buffer<float>* b : {&x_, &target_, &y_, &dx_}) *b = Buffer<float>(count_, "nodes");
    fill(x_, "x", 1);
    fill(target_, "target", 1);
    if (c.chained)
      for (size_t i = 1; i < c.grid.size(); ++i) inner_.emplace_back(count_, "nodes");
    for (size_t axis = 0; axis < c.grid.size(); ++axis) {
      Weight weight;
      weight.map = {c.tokens(),
                    c.batch,
                    c.grid.back(),
                    Order::batch_inner,
                    static_cast<int>(axis),
                    c.grid[axis],
                    c.shared ? Weights::shared : Weights::separate,
                    Wiring::grid};
      const std::int64_t weights = elements(weight_shape(weight.map));
      weight.w = Buffer<float>(weights, "w");
      fill(weight.w, "w", std::pow(static_cast<double>(c.grid[axis]), -0.5));
      weight.first = Buffer<float>(weights, "first");
      weight.second = Buffer<float>(weights, "second");
      if (!updates_at_once(weight.map)) weight.dw = Buffer<float>(weights, "dw");
      weights_.push_back(std::move(weight));
    }
  }

  double run() {
    const double began = now_sec();
    ++adam_.step;
    case_.chained ? forward_chain() : forward_sum();
    const double loss = differentiate();
    REQUIRE(std::isfinite(loss), "the loss is not finite");
    case_.chained ? back_chain() : back_sum();
    for (Weight& w : weights_)
      if (w.dw.size() > 0) {
        backend_.adamw(adam_, w.w.size(), w.dw.data(), w.w.data(), w.first.data(), w.second.data());
      }
    return (now_sec() - began) * 1e3;
  }

 private:
  static void fill(Buffer<float>& buffer, const char* name, double width) {
    const Random random(1, name);
    for (std::int64_t i = 0; i < buffer.size(); ++i)
      buffer[i] =
          static_cast<float>(width * (2 * random.uniform(static_cast<std::uint64_t>(i)) - 1));
  }
  bool updates_at_once(const DenseMap& map) const {
    return kind_ == Kind::fused && backend_.updates_in_sum(map);
  }
  DenseTerm<float> term(Weight& w) {
    if (w.dw.size() > 0) return {w.map, w.w.data(), w.dw.data()};
    return {w.map, w.w.data(), nullptr, &adam_, w.first.data(), w.second.data()};
  }
  std::vector<DenseTerm<float>> terms() {
    std::vector<DenseTerm<float>> all;
    for (Weight& w : weights_) all.push_back(term(w));
    return all;
  }

  void forward_sum() {
    if (kind_ != Kind::each) return backend_.dense_sum(terms(), x_.data(), y_.data(), false);
    for (size_t i = 0; i < weights_.size(); ++i)
      backend_.dense(weights_[i].map, x_.data(), weights_[i].w.data(), y_.data(), i > 0);
  }
  void forward_chain() {
    const float* from = x_.data();
    for (size_t i = 0; i < weights_.size(); ++i) {
      float* const to = i < inner_.size() ? inner_[i].data() : y_.data();
      const DenseTerm<float> one = term(weights_[i]);
      kind_ == Kind::each ? backend_.dense(one.map, from, one.w, to, false)
                          : backend_.dense_sum({&one, 1}, from, to, false);
      from = to;
    }
  }
  // y becomes the loss's gradient.
  double differentiate() {
    const float scale = 2 / static_cast<float>(count_);
    double loss = 0;
    float* const y = y_.data();
    const float* const target = target_.data();
#pragma omp parallel for simd reduction(+ : loss) schedule(static)
    for (std::int64_t i = 0; i < count_; ++i) {
      const float off = y[i] - target[i];
      loss += static_cast<double>(off) * static_cast<double>(off);
      y[i] = off * scale;
    }
    return loss / static_cast<double>(count_);
  }
  void zero_gradients() {
    for (Weight& w : weights_)
      if (w.dw.size() > 0) backend_.zero(w.dw.size(), w.dw.data());
  }
  void back_one(Weight& w, const float* x, const float* dy, float* dx, bool add) {
    const DenseTerm<float> one = term(w);
    if (kind_ != Kind::each) return backend_.dense_sum_back({&one, 1}, x, dy, dx, add);
    backend_.dense_dw(w.map, x, dy, w.dw.data());
    backend_.dense_dx(w.map, dy, w.w.data(), dx, add);
  }
  void back_sum() {
    zero_gradients();
    if (kind_ != Kind::each)
      return backend_.dense_sum_back(terms(), x_.data(), y_.data(), dx_.data(), false);
    for (size_t i = 0; i < weights_.size(); ++i)
      back_one(weights_[i], x_.data(), y_.data(), dx_.data(), i > 0);
  }
  // A map's dx takes the place of what it read.
  void back_chain() {
    zero_gradients();
    const float* dy = y_.data();
    for (size_t i = weights_.size(); i-- > 0;) {
      float* const dx = i > 0 ? inner_[i - 1].data() : dx_.data();
      back_one(weights_[i], i > 0 ? dx : x_.data(), dy, dx, false);
      dy = dx;
    }
  }

  Case case_;
  Kind kind_;
  Backend<float>& backend_;
  std::int64_t count_;
  Buffer<float> x_, target_, y_, dx_;
  std::vector<Buffer<float>> inner_;
  std::vector<Weight> weights_;
  AdamwStep adam_{1e-3, 0.9, 0.999, 1e-8, 0, 1, 0};
};

double forward_flop(const Case& c) {
  double sizes = 0;
  for (const std::int64_t s : c.grid) sizes += static_cast<double>(s);
  return 2 * c.nodes() * sizes;
}

// Milliseconds.
double roofline(const Case& c, const Rates& r) {
  const double flop = forward_flop(c), a = 4 * c.nodes();
  const double weights = c.shared ? 0 : flop / 2 / static_cast<double>(c.batch);
  const double passes = c.chained ? static_cast<double>(c.grid.size()) : 1;
  const double forward = (4 * weights + passes * a) / r.read + passes * a / r.write;
  const double loss = a / r.read + 2 * a / r.update;
  const double back = 24 * weights / r.update + passes * (2 * a / r.read + a / r.write);
  const double sec = std::max(flop / r.gflops, forward) + loss +
                     std::max((2 * flop + 10 * weights) / r.gflops, back);
  return sec * 1e-6;
}

struct Times {
  std::string name;
  std::vector<double> ms = {};
  void print(const Case& c, double limit, const std::string& note) {
    if (ms.empty()) return;
    std::sort(ms.begin(), ms.end());
    const double median = ms[ms.size() / 2];
    std::printf(
        "  %-34s %8.2f ms, least %8.2f, %6.1f GFLOP/s, roofline %3.0f %% (least %3.0f %%)%s\n",
        name.c_str(), median, ms[0], 3e-6 * forward_flop(c) / median, 100 * limit / median,
        100 * limit / ms[0], note.c_str());
  }
};

struct Options {
  int threads = 2, rounds = 6;
  double burst = 0.3;
  bool compile = false;
  std::vector<std::string> cases, torch;
};

// Peak MiB of a process of its own that runs three steps; the children of this one must be few.
long peak_mib(const Case& c, Kind kind, int threads) {
  const pid_t child = fork();
  if (child == 0) {
    const auto backend = make_cpu_backend<float>(threads);
    Layer layer(c, kind, *backend);
    for (int i = 0; i < 3; ++i) layer.run();
    _exit(0);
  }
  rusage usage{};
  wait4(child, nullptr, 0, &usage);
  return usage.ru_maxrss / 1024;
}

void measure(const Case& c, const Options& options, std::vector<std::unique_ptr<Peer>>& peers,
             Backend<float>& backend, const std::vector<long>& peaks) {
  std::vector<std::unique_ptr<Layer>> layers;
  std::vector<Times> ours, theirs;
  for (const Kind kind : {Kind::fused, Kind::stored, Kind::each}) {
    layers.push_back(std::make_unique<Layer>(c, kind, backend));
    layers.back()->run();
    ours.push_back({kNames[static_cast<int>(kind)]});
  }
  const std::string burst = std::to_string(options.burst);
  for (auto& peer : peers) {
    const std::string words = text(c.name, " ", options.threads);
    std::string line = words;
    std::replace(line.begin(), line.end(), ':', ' ');
    const std::string answer = peer->ask("case " + line);
    theirs.push_back({answer});
    theirs.push_back({answer.substr(0, answer.find(" best")) + " einsum"});
  }
  const Rates rates = measure_rates();
  std::printf(
      "%s: %d threads, %s\n  FMA %.0f GFLOP/s, read %.1f, write %.1f, update %.1f GB/s, roofline "
      "%.2f ms\n",
      c.name.c_str(), options.threads, placement().c_str(), rates.gflops, rates.read, rates.write,
      rates.update, roofline(c, rates));
  for (int round = 0; round < options.rounds; ++round) {
    for (size_t i = 0; i < layers.size(); ++i)
      for (const double end = now_sec() + options.burst; now_sec() < end;)
        ours[i].ms.push_back(layers[i]->run());
    for (size_t i = 0; i < peers.size(); ++i)
      for (const size_t form : {size_t{0}, size_t{1}}) {
        const auto ms = peers[i]->numbers((form == 0 ? "burst best " : "burst einsum ") + burst);
        theirs[2 * i + form].ms.insert(theirs[2 * i + form].ms.end(), ms.begin(), ms.end());
      }
  }
  const double limit = roofline(c, rates);
  for (size_t i = 0; i < ours.size(); ++i)
    ours[i].print(c, limit, text(", peak ", peaks[i], " MiB"));
  for (size_t i = 0; i < theirs.size(); ++i)
    theirs[i].print(c, limit, i % 2 == 0 ? text(", peak ", peers[i / 2]->ask("peak"), " MiB") : "");
  for (size_t i = 0; i < theirs.size(); ++i)
    if (!theirs[i].ms.empty())
      std::printf("  %.2f times the speed of %s (least times: %.2f)\n",
                  theirs[i].ms[theirs[i].ms.size() / 2] / ours[0].ms[ours[0].ms.size() / 2],
                  theirs[i].name.c_str(), theirs[i].ms[0] / ours[0].ms[0]);
  std::fflush(stdout);
}

Options parse_options(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto next = [&] {
      REQUIRE(i + 1 < argc, word, " needs a value");
      return std::string(argv[++i]);
    };
    if (word == "--threads")
      o.threads = std::stoi(next());
    else if (word == "--rounds")
      o.rounds = std::stoi(next());
    else if (word == "--burst")
      o.burst = std::stod(next());
    else if (word == "--case")
      o.cases.push_back(next());
    else if (word == "--torch")
      o.torch.push_back(next());
    else if (word == "--compile")
      o.compile = true;
    else
      REQUIRE(false, "unknown option ", word);
  }
  if (!o.cases.empty()) return o;
  for (const char* mode : {"parallel", "sequential"}) {
    for (const char* shape : {"16x16x16x16:64", "32x32x32:64", "64x64x64:16", "256x256:64",
                              "10x10x10x10x10:32", "2x2x2x2x2x2x2x2x2x2x2x2x2x2x2x2:64"})
      o.cases.push_back(text(shape, ":separate:", mode));
    for (const char* shape : {"64x64x64:16", "128x128x64:8"})
      o.cases.push_back(text(shape, ":shared:", mode));
  }
  return o;
}

void run(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  std::vector<std::vector<long>> peaks;  // first: a child starts with what its parent holds
  for (const std::string& name : options.cases) {
    peaks.emplace_back();
    for (const Kind kind : {Kind::fused, Kind::stored, Kind::each})
      peaks.back().push_back(peak_mib(parse(name), kind, options.threads));
  }
  std::vector<std::unique_ptr<Peer>> peers;
  const std::filesystem::path script =
      std::filesystem::path(__FILE__).parent_path() / "layer_torch.py";
  for (const std::string& python : options.torch) {
    if (std::system(text(python, " -c 'import torch' 2> /dev/null").c_str()) != 0) {
      std::printf("%s has no torch: skipped\n", python.c_str());
      continue;
    }
    peers.push_back(std::make_unique<Peer>(python, script.string(), options.compile));
  }
  if (peers.empty()) std::puts("no PyTorch beside (--torch PYTHON)");
  const auto backend = make_cpu_backend<float>(options.threads);
  for (size_t i = 0; i < options.cases.size(); ++i)
    measure(parse(options.cases[i]), options, peers, *backend, peaks[i]);
}

}  // namespace
}  // namespace ortho

int main(int argc, char** argv) {
  ortho::run(argc, argv);
  return 0;
}
