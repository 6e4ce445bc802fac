// Embed: tokens to nodes, the sum of symbol, position,
// item and modality tables, then an optional channel map.
//
// Padding stays all zero and gets no gradient. Places and items beyond their table wrap around.
// A rank embeds the tokens that it holds at home; its batch may have all of the replica's windows.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/build.h"

namespace ortho {

template <class T>
class Embed {
 public:
  explicit Embed(const Build<T>& build);
  void forward(const Batch& batch, T* x);  // x [nodes held at home, C], overwritten
  void backward(const T* dx);              // of the batch given last
  bool trained() const;                    // whether any of its weights is

 private:
  struct Table {
    Param<T>* param;
    std::int32_t modality;  // the tokens it applies to; kAny: those of records
    bool hidden;            // of those to be found that hide this modality
    std::int32_t (*row)(const Token&);
    std::int32_t* rows;  // of the rows held, -1 = none
  };
  void add(const Build<T>& build, const std::string& name, std::int32_t modality,
           std::int32_t (*row)(const Token&), bool hidden = false);
  static bool applies(const Table& table, const Token& token);
  std::span<const std::int32_t> rows_of(const Table& table) const {
    return {table.rows, static_cast<size_t>(nodes_.rows())};
  }
  void fill_rows(const Batch& batch, Table& table) const;
  HeldRows held_;       // of the batch
  Nodes wide_, nodes_;  // with the tables' width and with C channels
  Param<T>* pre_ = nullptr;
  Backend<T>& backend_;
  std::vector<Table> tables_;
  T *embedded_ = nullptr, *gradient_ = nullptr;  // [wide_] when a channel map leads in
};

}  // namespace ortho
