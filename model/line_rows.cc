#include "model/line_rows.h"

namespace ortho {

template <class T>
LineRows<T>::LineRows(const Shape& axes, const LineMap& map, Backend<T>& backend)
    : backend_(backend) {
  std::int64_t inside = 1;  // tokens inside the run, without those gathered before
  auto axis = static_cast<int>(axes.size());
  size_t own = map.axes.size();  // axes of the map from here outwards
  while (own > 0) {
    while (--axis > map.axes[own - 1]) inside *= axes[static_cast<size_t>(axis)];
    std::int64_t size = 1;
    for (; own > 0 && axis == map.axes[own - 1]; --own, --axis)
      size *= axes[static_cast<size_t>(axis)];
    ++axis;
    const Shape outside(axes.begin(), axes.begin() + axis);
    runs_.push_back({elements(outside), size, inside});
  }
}

template <class T>
Nodes LineRows<T>::before(const Nodes& nodes, size_t i) const {
  if (i == 0) return nodes;
  std::int64_t gathered = 1;
  for (size_t run = 0; run < i; ++run) gathered *= runs_[run].size;
  return {nodes.tokens / gathered, nodes.batch, nodes.channels * gathered, Order::channels_inner};
}

template <class T>
void LineRows<T>::gather(const Nodes& nodes, const T* x, T* rows, T* between) const {
  const T* from = x;
  for (size_t i = 0; i < runs_.size(); ++i) {
    T* const into = (runs_.size() - i) % 2 == 1 ? rows : between;  // the last: rows
    backend_.gather_lines(before(nodes, i), runs_[i], from, into);
    from = into;
  }
}

template <class T>
void LineRows<T>::scatter(const Nodes& nodes, T* rows, T* x, T* between) const {
  const T* from = rows;
  for (size_t i = runs_.size(); i-- > 0;) {
    T* const into = i == 0 ? x : from == rows ? between : rows;
    backend_.scatter_lines(before(nodes, i), runs_[i], from, into, false);
    from = into;
  }
}

template class LineRows<float>;
template class LineRows<double>;

}  // namespace ortho
