#include "core/fields.h"

#include <cmath>
#include <utility>

#include "core/error.h"
#include "core/json.h"

namespace ortho {

bool Limits::allow(double x) const {
  const bool lo_open = open == Open::lo || open == Open::both;
  const bool hi_open = open == Open::hi || open == Open::both;
  return std::isfinite(x) && (lo_open ? x > lo : x >= lo) && (hi_open ? x < hi : x <= hi);
}

std::string Limits::text() const {
  const bool lo_open = open == Open::lo || open == Open::both;
  const bool hi_open = open == Open::hi || open == Open::both;
  const bool has_lo = std::isfinite(lo);
  const bool has_hi = std::isfinite(hi) && hi < kNoLimit;
  const std::string low = number_text(lo), high = number_text(hi);
  if (has_lo && has_hi)
    return ortho::text(low, lo_open ? " < x" : " <= x", hi_open ? " < " : " <= ", high);
  if (has_lo) return ortho::text(lo_open ? "x > " : "x >= ", low);
  if (has_hi) return ortho::text(hi_open ? "x < " : "x <= ", high);
  return "any finite number";
}

Fields& Fields::add(Field field) {
  for (const auto& other : fields_)
    ASSERT(other.name != field.name, "field ", field.name, " is listed twice");
  fields_.push_back(std::move(field));
  return *this;
}

Fields& Fields::flag(const std::string& name, bool& value, const std::string& help) {
  return add({name, "", help, FlagValue{&value}});
}

Fields& Fields::integer(const std::string& name, std::int64_t& value, Limits limits,
                        const std::string& unit, const std::string& help) {
  return add({name, unit, help, IntegerValue{&value, limits}});
}

Fields& Fields::real(const std::string& name, double& value, Limits limits, const std::string& unit,
                     const std::string& help) {
  return add({name, unit, help, RealValue{&value, limits}});
}

Fields& Fields::word(const std::string& name, std::string& value, const std::string& help) {
  return add({name, "", help, WordValue{&value}});
}

Fields& Fields::integers(const std::string& name, std::vector<std::int64_t>& value, Limits limits,
                         const std::string& unit, const std::string& help) {
  return add({name, unit, help, IntegersValue{&value, limits}});
}

Fields& Fields::words(const std::string& name, std::vector<std::string>& value,
                      const std::string& help) {
  return add({name, "", help, WordsValue{&value}});
}

Fields& Fields::group(const std::string& name, Fields inner, const std::string& help,
                      std::function<void()> clear, const std::string& nothing) {
  return add({name, "", help, GroupValue{std::move(inner), std::move(clear), nothing}});
}

Fields& Fields::groups(const std::string& name, std::function<size_t()> size,
                       std::function<Fields(size_t)> at, std::function<Fields()> append,
                       std::function<void()> clear, const std::string& help) {
  return add({name, "", help,
              GroupsValue{std::move(size), std::move(at), std::move(append), std::move(clear)}});
}

Fields& Fields::include(Fields others) {
  for (auto& field : others.fields_) add(std::move(field));
  return *this;
}

}  // namespace ortho
