#include <utility>

#include "comm/cuda/device_exchange.h"
#include "tensor/cuda/for_each.h"

namespace ortho {
namespace {

constexpr size_t kMostAxes = 8;

// Where the elements of a Box lie in a row-major array: element i of the Box, counted row-major.
struct BoxPlaces {
  std::int64_t first = 0;
  std::uint32_t axes = 0;
  Divisor extents[kMostAxes];  // of the Box, the last axis first
  std::int64_t steps[kMostAxes] = {};

  ORTHO_HD std::int64_t at(std::uint32_t i) const {
    std::int64_t place = first;
    for (std::uint32_t axis = 0; axis < axes; ++axis) {
      const std::uint32_t rest = extents[axis].quotient(i);
      place += (i - rest * extents[axis].by()) * steps[axis];
      i = rest;
    }
    return place;
  }
};

BoxPlaces places(const Shape& shape, const Box& box) {
  const Shape size = extent(box);
  ASSERT(size.size() <= kMostAxes, "an exchange of ", size.size(), " axes");
  const Index step = strides(shape);
  BoxPlaces result;
  for (size_t axis = size.size(); axis-- > 0;) {
    result.first += box.lo[axis] * step[axis];
    result.extents[result.axes] = Divisor(size[axis]);
    result.steps[result.axes++] = step[axis];
  }
  return result;
}

// What stands one after the other is a Box of one axis.
BoxPlaces in_a_row(std::int64_t count) {
  BoxPlaces result;
  result.axes = 1;
  result.extents[0] = Divisor(count);
  result.steps[0] = 1;
  return result;
}

// The elements of a Box of one array onto those of a Box of another, of equal extents.
template <class T>
struct CopyBox {
  BoxPlaces from_places, into_places;
  const T* from;
  T* into;
  bool add;

  ORTHO_HD void operator()(std::uint32_t i) const {
    const T value = from[from_places.at(i)];
    T& target = into[into_places.at(i)];
    target = add ? target + value : value;
  }
};

}  // namespace

template <class T>
DeviceExchange<T>::DeviceExchange(Plan plan, CudaDevice& device, DeviceChannel& channel,
                                  std::string what)
    : plan_(std::move(plan)), device_(device), channel_(channel), what_(std::move(what)) {
  ASSERT(plan_.element_bytes == static_cast<int>(sizeof(T)), what_, ": planned for elements of ",
         plan_.element_bytes, " bytes, run with ", sizeof(T));
  ASSERT(plan_.rank == channel_.rank() && plan_.ranks == channel_.ranks(), what_,
         ": planned for rank ", plan_.rank, " of ", plan_.ranks, ", run on rank ", channel_.rank(),
         " of ", channel_.ranks());
}

template <class T>
void DeviceExchange<T>::pack(const Message& message, T* packed) const {
  for (const Box& box : message.boxes) {
    const std::int64_t count = elements(box);
    if (count == 0) continue;
    for_each(
        device_, count,
        CopyBox<T>{places(plan_.from(way_).shape, box), in_a_row(count), from_, packed, false});
    packed += count;
  }
}

template <class T>
void DeviceExchange<T>::unpack(const Message& message, const T* packed) const {
  for (const Box& box : message.boxes) {
    const std::int64_t count = elements(box);
    if (count == 0) continue;
    for_each(
        device_, count,
        CopyBox<T>{in_a_row(count), places(plan_.into(way_).shape, box), packed, into_, adds()});
    packed += count;
  }
}

// The own part of an array goes into the other without a message.
template <class T>
void DeviceExchange<T>::keep(const Message& message) const {
  for (size_t i = 0; i < message.boxes.size(); ++i) {
    const std::int64_t count = elements(message.boxes[i]);
    if (count == 0) continue;
    for_each(device_, count,
             CopyBox<T>{places(message.far_shape, message.far_boxes[i]),
                        places(plan_.into(way_).shape, message.boxes[i]), from_, into_, adds()});
  }
}

template <class T>
void DeviceExchange<T>::start(Way way, const T* from, T* into, Fill fill, T* workspace) {
  ASSERT(!under_way_, what_, " is started before it was finished");
  under_way_ = true;
  way_ = way;
  from_ = from;
  into_ = into;
  fill_ = fill;
  const Side &source = plan_.from(way), &target = plan_.into(way);
  received_ = workspace + source.packed;
  std::vector<DeviceSend> sends;
  std::vector<DeviceReceive> receives;
  for (const Message& message : source.messages) {
    if (message.rank == plan_.rank) continue;
    pack(message, workspace + message.offset);
    sends.push_back(
        {message.rank, workspace + message.offset, message.elements * std::int64_t{sizeof(T)}});
  }
  for (const Message& message : target.messages)
    if (message.rank != plan_.rank)
      receives.push_back(
          {message.rank, received_ + message.offset, message.elements * std::int64_t{sizeof(T)}});
  channel_.exchange(what_, sends, receives);
  if (fill == Fill::over && !target.full)
    check_cuda(cudaMemsetAsync(into, 0, static_cast<size_t>(elements(target.shape)) * sizeof(T),
                               device_.stream()));
  for (const Message& message : target.messages)
    if (target.disjoint && message.rank == plan_.rank) keep(message);
}

template <class T>
void DeviceExchange<T>::finish() {
  ASSERT(under_way_, what_, " is finished before it was started");
  under_way_ = false;
  channel_.join();
  const Side& target = plan_.into(way_);
  for (const Message& message : target.messages) {
    if (message.rank != plan_.rank)
      unpack(message, received_ + message.offset);
    else if (!target.disjoint)
      keep(message);
  }
}

template class DeviceExchange<float>;
template class DeviceExchange<double>;

}  // namespace ortho
