#include "model/embed.h"

#include <algorithm>

#include "core/error.h"

namespace ortho {
namespace {

constexpr std::int32_t kAny = -1;  // but padding and the prefix
constexpr std::int32_t kText = static_cast<std::int32_t>(Modality::text);
constexpr std::int32_t kPixel = static_cast<std::int32_t>(Modality::pixel);
constexpr std::int32_t kAudio = static_cast<std::int32_t>(Modality::audio);
constexpr std::int32_t kQuery = static_cast<std::int32_t>(Modality::query);
constexpr std::int32_t kIdentity = static_cast<std::int32_t>(Modality::identity);

// Tables as wide as the stream are cut like its channels; narrower ones are whole, and so is what
// they sum to.
template <class T>
Nodes wide_nodes(const Build<T>& build) {
  const Sharding& sharding = build.sharding;
  const Layout& home = sharding.home();
  if (build.spec.width == 0) return sharding.local(home, build.spec.channels);
  return sharding.local(sharding.whole_channels(home), build.spec.width);
}

}  // namespace

template <class T>
Embed<T>::Embed(const Build<T>& build)
    : held_(build.sharding.rows(build.sharding.home())),
      wide_(wide_nodes(build)),
      nodes_(build.sharding.local(build.sharding.home(), build.spec.channels)),
      backend_(build.backend) {
  add(build, "text.symbol", kText, [](const Token& t) { return t.symbol[0]; });
  add(build, "text.word", kText, [](const Token& t) { return t.word - 1; });
  add(build, "text.place", kText, [](const Token& t) { return t.place[0]; });
  // Output slots know their place in the item they will become; it is the text table's place. Hidden
  // tokens know it in their modality's tables.
  add(
      build, "text.place", kText, [](const Token& t) { return t.place[0]; }, true);
  add(build, "ask", kQuery, [](const Token& t) { return t.symbol[0]; });
  add(build, "pixel.red", kPixel, [](const Token& t) { return t.symbol[0]; });
  add(build, "pixel.green", kPixel, [](const Token& t) { return t.symbol[1]; });
  add(build, "pixel.blue", kPixel, [](const Token& t) { return t.symbol[2]; });
  add(build, "pixel.row", kPixel, [](const Token& t) { return t.place[0]; });
  add(build, "pixel.column", kPixel, [](const Token& t) { return t.place[1]; });
  add(build, "pixel.frame", kPixel, [](const Token& t) { return t.place[2]; });
  add(build, "audio.symbol", kAudio, [](const Token& t) { return t.symbol[0]; });
  add(build, "audio.place", kAudio, [](const Token& t) { return t.place[0]; });
  add(
      build, "pixel.row", kPixel, [](const Token& t) { return t.place[0]; }, true);
  add(
      build, "pixel.column", kPixel, [](const Token& t) { return t.place[1]; }, true);
  add(
      build, "pixel.frame", kPixel, [](const Token& t) { return t.place[2]; }, true);
  add(
      build, "audio.place", kAudio, [](const Token& t) { return t.place[0]; }, true);
  add(build, "identity", kIdentity, [](const Token& t) { return t.place[0]; });
  add(build, "item", kAny, [](const Token& t) { return t.item; });
  add(build, "modality", kAny, [](const Token& t) { return t.modality; });
  if (build.spec.width == 0) return;
  pre_ = &build.params.at("pre");
  embedded_ = build.arena.take(wide_.elements(), "embedding");
  gradient_ = build.arena.take(wide_.elements(), "embedding gradient");
}

template <class T>
void Embed<T>::add(const Build<T>& build, const std::string& name, std::int32_t modality,
                   std::int32_t (*row)(const Token&), bool hidden) {
  if (build.params.has("embed." + name))
    tables_.push_back({&build.params.at("embed." + name), modality, hidden, row,
                       build.arena.take_rows(nodes_.rows(), "rows of " + name)});
}

template <class T>
bool Embed<T>::applies(const Table& table, const Token& token) {
  if (!table.hidden)
    return token.modality == table.modality ||
           (table.modality == kAny && token.modality != 0 && token.modality != kIdentity);
  const std::int32_t hides = token.symbol[1] == 0 ? kText : token.symbol[1];
  return token.modality == kQuery && table.modality == hides;
}

template <class T>
void Embed<T>::fill_rows(const Batch& batch, Table& table) const {
  const auto rows = static_cast<std::int32_t>(table.param->spec.dims[0].size);
  const DimKind kind = table.param->spec.dims[0].kind;
  const bool words = kind == DimKind::word;
  const bool wraps = kind == DimKind::place || kind == DimKind::item;
  for_each_row(held_, [&](std::int64_t local, std::int64_t i) {
    const Token& token = batch.input[batch.entry(i, local)];
    const bool asks = applies(table, token);
    std::int32_t row = asks ? table.row(token) : -1;
    if (asks && wraps) row %= rows;
    // Most tokens carry no word, and a later stage's words are none of this one's.
    if (words && row >= rows) row = -1;
    REQUIRE(row < rows && (row >= 0 || words || !asks), row_text(batch, i), " asks row ", row,
            " of ", table.param->spec.name, ", which has ", rows,
            ": the data holds a symbol this model does not know");
    table.rows[local] = row;
  });
}

template <class T>
void Embed<T>::forward(const Batch& batch, T* x) {
  const std::int64_t rows = elements(held_.batch);
  ASSERT(batch.windows == held_.windows() && batch.tokens * batch.windows == rows &&
             static_cast<std::int64_t>(batch.input.size()) == (batch.part ? held_.count() : rows),
         "batch of ", batch.tokens, " x ", batch.windows, " for a model of ",
         shape_text(held_.batch));
  T* sum = pre_ ? embedded_ : x;
  backend_.zero(wide_.elements(), sum);
  for (Table& table : tables_) {
    fill_rows(batch, table);
    backend_.embed(wide_, rows_of(table), table.param->value, sum);
  }
  if (pre_) backend_.channel_map(wide_, nodes_.channels, sum, pre_->value, x, false);
}

template <class T>
bool Embed<T>::trained() const {
  const auto is = [](const Table& table) { return table.param->trained; };
  return (pre_ && pre_->trained) || std::any_of(tables_.begin(), tables_.end(), is);
}

template <class T>
void Embed<T>::backward(const T* dx) {
  if (pre_) {
    if (pre_->trained) backend_.channel_map_dw(wide_, nodes_.channels, embedded_, dx, pre_->grad);
    backend_.channel_map_dx(wide_, nodes_.channels, dx, pre_->value, gradient_, false);
  }
  for (Table& table : tables_)
    if (table.param->trained)
      backend_.embed_dw(wide_, rows_of(table), pre_ ? gradient_ : dx, table.param->grad);
}

template class Embed<float>;
template class Embed<double>;

}  // namespace ortho
