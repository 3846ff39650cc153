// ringbus for C++17: handles that close themselves, results instead of codes, typed messages.
//
//     ringbus::Bus bus = ringbus::Bus::open("plant").value();
//     auto topic = bus.topic<Pose>("robot/7/pose").open_or_create().value();
//     auto subscriber = topic.subscriber().reliable().join().value();
//     auto publisher = topic.publisher().value();
//     publisher.publish(Pose{1.0, 2.0}).value();
//     for (const auto &pose : subscriber.poll_batch(64).value()) use(pose->x);
//
// Everything is in namespace `ringbus` and inline over `ringbus.h`, which documents what each function
// does, what fails, and what a process that dies leaves. What is here is only how C++ says it:
//
//   - Handles are move-only and close themselves. They may be destroyed in any order.
//   - Functions that can fail give a `Result`: test it, then `*result` or `result.error()`. Its
//     `value()` stops the program with the message if there is none. Nothing here throws; with
//     RINGBUS_THROW defined, `ringbus::or_throw(result)` gives the value or throws an
//     `ringbus::Exception`. Works with -fno-exceptions and -fno-rtti.
//   - `Topic<T>` carries one `T` in each message, `Topic<T[]>` several, `Topic<>` bytes. `T` is
//     trivially copyable and means the same in every process: no pointers, no handles. What lies in
//     its padding travels along.
//   - Messages are views: valid until the next call on the subscriber that gave them, or the end of
//     their batch.
//   - Functions that several threads may call at once are const; of the others, one at a time.
#ifndef RINGBUS_HPP
#define RINGBUS_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#ifdef RINGBUS_THROW
#include <stdexcept>
#endif

#include "ringbus.h"

// Of failures: kept out of the way of what succeeds.
#if defined(__clang__) || defined(__GNUC__)
#define RINGBUS_COLD __attribute__((cold, noinline))
#else
#define RINGBUS_COLD
#endif

namespace ringbus {

// ---- Results --------------------------------------------------------------------------------------

/// Why a call failed.
class Error {
public:
    /// What failed last on this thread, which is what `code` tells of.
    static Error last(ringbus_code code) {
        Error error;
        ringbus_last_failure(&error.facts_);
        error.facts_.code = code;
        error.message_ = ringbus_last_error();
        if (error.facts_.topic != nullptr) {
            error.topic_ = std::exchange(error.facts_.topic, nullptr);
        }
        return error;
    }

    /// What somebody else told.
    static Error of(ringbus_code code, std::string message, std::uint32_t server = 0) {
        Error error;
        error.facts_.code = code;
        error.facts_.server = server;
        error.message_ = std::move(message);
        return error;
    }

    ringbus_code code() const noexcept { return facts_.code; }
    /// What failed, where, and what to do about it.
    const std::string &message() const noexcept { return message_; }
    /// The facts in numbers: how many messages were missed, who holds the topic full.
    const ringbus_failure &facts() const noexcept { return facts_; }
    /// Messages that were lost: `RINGBUS_LAGGED` and `RINGBUS_EVICTED`, after which polling goes on.
    std::uint64_t missed() const noexcept { return facts_.missed; }
    /// The topic that it is about, of those of a multi subscriber; else "".
    const std::string &topic() const noexcept { return topic_; }

private:
    Error() = default;

    ringbus_failure facts_ = ringbus_failure_init();
    std::string message_;
    std::string topic_;
};

namespace detail {

/// Stops the program: somebody took a value, or an error, that is not there.
[[noreturn]] RINGBUS_COLD inline void fail(const char *message) noexcept {
    std::fprintf(stderr, "ringbus: %s\n", message);
    std::abort();
}

/// What failed last on this thread, which is what `code` tells of.
struct Last {
    ringbus_code code;
};

/// An error or none, in one pointer: what a call that succeeds pays for those that fail. Copied only, so
/// that a result that was moved from has failed no less than before.
class Failure {
public:
    Failure() noexcept = default;
    explicit Failure(Error error) noexcept : error_(new Error(std::move(error))) {}
    explicit Failure(Last last) noexcept : error_(read(last.code)) {}
    Failure(const Failure &other) noexcept : error_(other.error_ ? copy(*other.error_) : nullptr) {}
    Failure &operator=(Failure other) noexcept {
        std::swap(error_, other.error_);
        return *this;
    }
    ~Failure() {
        if (error_ != nullptr) {
            drop(error_);
        }
    }

    explicit operator bool() const noexcept { return error_ != nullptr; }
    const Error &error() const noexcept {
        if (error_ == nullptr) {
            fail("a result that has a value was asked for its error");
        }
        return *error_;
    }
    ringbus_code code() const noexcept { return error_ ? error_->code() : RINGBUS_OK; }
    /// Stops the program with its message, if it is one.
    void check() const noexcept {
        if (error_ != nullptr) {
            stop(*error_);
        }
    }

private:
    RINGBUS_COLD static const Error *read(ringbus_code code) noexcept { return new Error(Error::last(code)); }
    RINGBUS_COLD static const Error *copy(const Error &error) noexcept { return new Error(error); }
    RINGBUS_COLD static void drop(const Error *error) noexcept { delete error; }
    [[noreturn]] RINGBUS_COLD static void stop(const Error &error) noexcept { fail(error.message().c_str()); }

    const Error *error_ = nullptr;
};

} // namespace detail

/// A value, or why there is none.
template <class T>
class [[nodiscard]] Result {
public:
    Result(T value) : value_(std::move(value)) {}
    /// The value made in its place.
    template <class... Arguments>
    explicit Result(std::in_place_t, Arguments &&...arguments)
        : value_(std::in_place, std::forward<Arguments>(arguments)...) {}
    Result(Error error) noexcept : failure_(std::move(error)) {}
    Result(detail::Last last) noexcept : failure_(last) {}

    bool has_value() const noexcept { return !failure_; }
    /// Not of a `Result<bool>`: `if (subscriber.wait(1ms))` would not ask whether something came.
    template <class U = T, class = std::enable_if_t<!std::is_same_v<U, bool>>>
    explicit operator bool() const noexcept {
        return has_value();
    }

    /// The value; stops the program with the message if there is none.
    T &value() & { return failure_.check(), *value_; }
    const T &value() const & { return failure_.check(), *value_; }
    /// By value, so that `for (auto message : subscriber.poll_batch(64).value())` keeps the batch.
    T value() && { return failure_.check(), std::move(*value_); }
    T &operator*() & { return value(); }
    const T &operator*() const & { return value(); }
    T operator*() && { return std::move(*this).value(); }
    T *operator->() { return &value(); }
    const T *operator->() const { return &value(); }

    T value_or(T other) const & { return has_value() ? *value_ : std::move(other); }
    T value_or(T other) && { return has_value() ? std::move(*value_) : std::move(other); }

    /// Why there is no value; stops the program if there is one.
    const Error &error() const noexcept { return failure_.error(); }
    /// `RINGBUS_OK` if there is a value.
    ringbus_code code() const noexcept { return failure_.code(); }

private:
    detail::Failure failure_;
    /// There unless it failed.
    std::optional<T> value_;
};

/// Success, or why not.
template <>
class [[nodiscard]] Result<void> {
public:
    Result() noexcept = default;
    Result(Error error) noexcept : failure_(std::move(error)) {}
    Result(detail::Last last) noexcept : failure_(last) {}

    bool has_value() const noexcept { return !failure_; }
    explicit operator bool() const noexcept { return has_value(); }
    /// Stops the program with the message if the call failed.
    void value() const noexcept { failure_.check(); }
    /// Why it failed; stops the program if it did not.
    const Error &error() const noexcept { return failure_.error(); }
    ringbus_code code() const noexcept { return failure_.code(); }

private:
    detail::Failure failure_;
};

#ifdef RINGBUS_THROW
/// What `or_throw` throws.
class Exception : public std::runtime_error {
public:
    explicit Exception(Error error) : std::runtime_error(error.message()), error_(std::move(error)) {}
    const Error &error() const noexcept { return error_; }
    ringbus_code code() const noexcept { return error_.code(); }

private:
    Error error_;
};

/// The value of a result, or its error as an exception.
template <class T>
T or_throw(Result<T> result) {
    if (!result.has_value()) {
        throw Exception(result.error());
    }
    if constexpr (!std::is_void_v<T>) {
        return std::move(result).value();
    }
}
#endif

// ---- Views ----------------------------------------------------------------------------------------

/// Consecutive values that are somebody else's: what `std::span` is in C++20, to which it converts.
template <class T>
class View {
public:
    using element_type = T;
    using value_type = std::remove_cv_t<T>;
    using iterator = T *;

    constexpr View() noexcept = default;
    constexpr View(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    /// Of any container with consecutive elements; of one that is about to go, only to be read.
    template <class C,
              class = std::enable_if_t<
                  !std::is_same_v<std::decay_t<C>, View> &&
                  (std::is_const_v<T> || std::is_lvalue_reference_v<C>) &&
                  std::is_convertible_v<std::remove_pointer_t<decltype(std::declval<C &>().data())> (*)[],
                                        T (*)[]> &&
                  std::is_convertible_v<decltype(std::declval<C &>().size()), std::size_t>>>
    constexpr View(C &&container) noexcept : View(container.data(), container.size()) {}
    template <std::size_t N>
    constexpr View(T (&array)[N]) noexcept : View(array, N) {}

    constexpr T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr std::size_t size_bytes() const noexcept { return size_ * sizeof(T); }
    [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr T *begin() const noexcept { return data_; }
    constexpr T *end() const noexcept { return data_ + size_; }
    constexpr T &operator[](std::size_t index) const { return data_[index]; }
    constexpr T &front() const { return data_[0]; }
    constexpr T &back() const { return data_[size_ - 1]; }
    /// Those from `from` on, `count` of them, all of which are there.
    constexpr View subview(std::size_t from, std::size_t count) const { return {data_ + from, count}; }

private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};

/// Bytes of a text, to be sent on an untyped topic.
inline View<const std::byte> bytes_of(std::string_view text) noexcept {
    return {reinterpret_cast<const std::byte *>(text.data()), text.size()};
}

/// An untyped payload as text.
inline std::string_view text_of(View<const std::byte> bytes) noexcept {
    return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}

// ---- Time -----------------------------------------------------------------------------------------

using Duration = std::chrono::nanoseconds;

/// A wait without an end.
inline constexpr Duration forever = Duration::max();

namespace detail {

inline std::uint64_t timeout_ns(Duration time) noexcept {
    if (time == forever) {
        return RINGBUS_FOREVER;
    }
    return time.count() > 0 ? static_cast<std::uint64_t>(time.count()) : 0;
}

/// A number of options, in which 0 would be the default.
inline std::uint64_t zero_is_meant(std::uint64_t number) noexcept {
    return number == 0 ? RINGBUS_ZERO : number;
}

inline std::uint64_t zero_is_meant(Duration time) noexcept { return zero_is_meant(timeout_ns(time)); }

inline Result<void> done(ringbus_code code) {
    if (code >= RINGBUS_NULL_ARGUMENT) {
        return Last{code};
    }
    return {};
}

/// Whether something came, or the time passed.
inline Result<bool> came(ringbus_code code) {
    if (code >= RINGBUS_NULL_ARGUMENT) {
        return Last{code};
    }
    return code == RINGBUS_OK;
}

template <class T>
Result<T> valued(ringbus_code code, T value) {
    if (code != RINGBUS_OK) {
        return Last{code};
    }
    return Result<T>(std::move(value));
}

/// A number that the library tells of a handle.
template <class H, class V, class Raw>
Result<V> told(ringbus_code (*ask)(H *, V *), Raw *raw) {
    V value{};
    const auto code = ask(raw, &value);
    return valued(code, value);
}

/// What `take` gives, if it has something; with `none` it has nothing.
template <class T, class Raw, ringbus_code none = RINGBUS_EMPTY, class Take>
Result<std::optional<T>> taken(Take take) {
    Raw raw;
    const ringbus_code code = take(&raw);
    if (code == RINGBUS_OK) {
        return Result<std::optional<T>>(std::in_place, std::in_place, raw);
    }
    if (code == none) {
        return Result<std::optional<T>>(std::in_place);
    }
    return Last{code};
}

/// What has the handle that `open` opens.
template <class T, class H, class Open, class... More>
Result<T> opened(Open open, More &&...more) {
    H *raw = nullptr;
    const ringbus_code code = open(&raw);
    if (code != RINGBUS_OK) {
        return Last{code};
    }
    return T(raw, std::forward<More>(more)...);
}

/// A handle of the C library, closed at the end.
template <class H, ringbus_code (*Close)(H *)>
class Handle {
public:
    Handle() = default;
    explicit Handle(H *raw) noexcept : raw_(raw) {}
    Handle(Handle &&other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}
    Handle &operator=(Handle &&other) noexcept {
        if (this != &other) {
            Close(raw_);
            raw_ = std::exchange(other.raw_, nullptr);
        }
        return *this;
    }
    Handle(const Handle &) = delete;
    Handle &operator=(const Handle &) = delete;
    ~Handle() { Close(raw_); }

    H *get() const noexcept { return raw_; }

private:
    H *raw_ = nullptr;
};

/// The same with what the library may call until it is closed, and not after.
template <class H, ringbus_code (*Close)(H *)>
class CallingHandle {
public:
    CallingHandle(H *raw, std::shared_ptr<void> called) noexcept : called_(std::move(called)), handle_(raw) {}
    CallingHandle(CallingHandle &&) noexcept = default;
    CallingHandle &operator=(CallingHandle &&other) noexcept {
        handle_ = std::move(other.handle_);
        called_ = std::move(other.called_);
        return *this;
    }
    ~CallingHandle() = default;

    H *get() const noexcept { return handle_.get(); }

private:
    std::shared_ptr<void> called_;
    Handle<H, Close> handle_;
};

/// The name of `T` without namespaces, as the compiler writes it.
template <class T>
constexpr std::string_view written_name() {
#if defined(__clang__) || defined(__GNUC__)
    std::string_view name = __PRETTY_FUNCTION__;
    name.remove_prefix(name.find("T = ") + 4);
    name = name.substr(0, name.find_first_of(";]"));
#else
    std::string_view name = __FUNCSIG__;
    name.remove_prefix(name.find("written_name<") + 13);
    name = name.substr(0, name.rfind(">("));
    const std::size_t keyword = name.find(' ');
    if (keyword != std::string_view::npos) {
        name.remove_prefix(keyword + 1);
    }
#endif
    const std::size_t scope = name.rfind("::");
    return scope == std::string_view::npos ? name : name.substr(scope + 2);
}

} // namespace detail

/// What a type is called in every program and language that uses it: its name without namespaces, and
/// for numbers that of Rust, `u64` or `f32`. Specialise it where that does not do, as for templates.
template <class T>
struct TypeName {
    static std::string value() {
        if constexpr (std::is_same_v<T, bool>) {
            static_assert(!std::is_same_v<T, bool>, "use std::uint8_t: not every byte is a bool");
        } else if constexpr (std::is_floating_point_v<T>) {
            return "f" + std::to_string(sizeof(T) * 8);
        } else if constexpr (std::is_integral_v<T>) {
            return (std::is_signed_v<T> ? "i" : "u") + std::to_string(sizeof(T) * 8);
        } else {
            return std::string(detail::written_name<T>());
        }
    }
};

namespace detail {

/// How a topic of `T` describes its payloads.
template <class T>
struct Payload {
    static_assert(std::is_trivially_copyable_v<T>, "only trivially copyable types can be sent");
    static_assert(!std::is_pointer_v<T>, "a pointer means nothing in another process");
    static_assert(alignof(T) <= 4096, "no payload is aligned to more than a page");
    static constexpr bool is_slice = false;
    using Value = T;

    static std::string type_name() { return TypeName<T>::value(); }
};

template <class T>
struct Payload<T[]> : Payload<T> {
    static constexpr bool is_slice = true;
    using Value = T;

    static std::string type_name() { return "[" + TypeName<T>::value() + "]"; }
};

template <>
struct Payload<std::byte[]> {
    static constexpr bool is_slice = true;
    using Value = std::byte;

    /// Bytes are untyped.
    static std::string type_name() { return {}; }
};

/// One value, or a `View` of several.
template <class T>
decltype(auto) payload_at(const void *payload, std::size_t bytes) noexcept {
    using Value = typename Payload<T>::Value;
    const auto *values = static_cast<const Value *>(payload);
    if constexpr (Payload<T>::is_slice) {
        return View<const Value>(values, bytes / sizeof(Value));
    } else {
        return (*values);
    }
}

/// Whether a range is an array of such values: they lie one after the other, as `std::data` finds them.
template <class Value, class Range, class = void>
struct IsArrayOf : std::false_type {};
template <class Value, class Range>
struct IsArrayOf<Value, Range,
                 std::void_t<decltype(std::data(std::declval<Range &>())),
                             decltype(std::size(std::declval<Range &>()))>>
    : std::is_same<const Value *, std::add_pointer_t<std::add_const_t<std::remove_pointer_t<
                                      decltype(std::data(std::declval<Range &>()))>>>> {};


/// What is sent: one value, or several.
template <class T>
using Argument = std::conditional_t<Payload<T>::is_slice, View<const typename Payload<T>::Value>,
                                    const typename Payload<T>::Value &>;

template <class T>
View<const std::byte> bytes_of(Argument<T> payload) noexcept {
    if constexpr (Payload<T>::is_slice) {
        return {reinterpret_cast<const std::byte *>(payload.data()), payload.size_bytes()};
    } else {
        return {reinterpret_cast<const std::byte *>(&payload), sizeof payload};
    }
}

} // namespace detail

// ---- Attributes ----------------------------------------------------------------------------------

/// A key and its value, beside a payload: text, bytes, a whole number, a number with a fraction, yes or
/// no. A view: what it was made of must stay until it was published; one that was read is valid as long
/// as its message.
class Attribute {
public:
    Attribute() noexcept : raw_() {}
    explicit Attribute(const ringbus_attribute &raw) noexcept : raw_(raw) {}
    Attribute(std::string_view key, std::string_view text) noexcept
        : Attribute(key, RINGBUS_ATTRIBUTE_TEXT, text.data(), text.size()) {}
    Attribute(std::string_view key, const char *text) noexcept : Attribute(key, std::string_view(text)) {}
    Attribute(std::string_view key, View<const std::byte> bytes) noexcept
        : Attribute(key, RINGBUS_ATTRIBUTE_BYTES, bytes.data(), bytes.size()) {}
    /// A number, whole or not, or yes or no.
    template <class N, class = std::enable_if_t<std::is_arithmetic_v<N>>>
    Attribute(std::string_view key, N number) noexcept : Attribute(key, 0, nullptr, 0) {
        static_assert(std::is_floating_point_v<N> || std::is_signed_v<N> || sizeof(N) < 8,
                      "not every number of this type is an std::int64_t");
        if constexpr (std::is_floating_point_v<N>) {
            raw_.kind = RINGBUS_ATTRIBUTE_FLOAT;
            raw_.real = static_cast<double>(number);
        } else {
            raw_.kind = std::is_same_v<N, bool> ? RINGBUS_ATTRIBUTE_BOOL : RINGBUS_ATTRIBUTE_INT;
            raw_.integer = static_cast<std::int64_t>(number);
        }
    }

    std::string_view key() const noexcept { return {raw_.key, raw_.key_len_bytes}; }
    /// RINGBUS_ATTRIBUTE_...
    std::uint32_t kind() const noexcept { return raw_.kind; }
    std::optional<std::string_view> text() const noexcept {
        return of<std::string_view>(RINGBUS_ATTRIBUTE_TEXT,
                                    {static_cast<const char *>(raw_.data), raw_.data_len_bytes});
    }
    std::optional<View<const std::byte>> bytes() const noexcept {
        return of<View<const std::byte>>(
            RINGBUS_ATTRIBUTE_BYTES, {static_cast<const std::byte *>(raw_.data), raw_.data_len_bytes});
    }
    std::optional<std::int64_t> integer() const noexcept {
        return of<std::int64_t>(RINGBUS_ATTRIBUTE_INT, raw_.integer);
    }
    std::optional<bool> boolean() const noexcept {
        return of<bool>(RINGBUS_ATTRIBUTE_BOOL, raw_.integer != 0);
    }
    /// A number, whole or not.
    std::optional<double> number() const noexcept {
        if (raw_.kind == RINGBUS_ATTRIBUTE_INT) {
            return static_cast<double>(raw_.integer);
        }
        return of<double>(RINGBUS_ATTRIBUTE_FLOAT, raw_.real);
    }

    const ringbus_attribute &raw() const noexcept { return raw_; }

private:
    Attribute(std::string_view key, std::uint32_t kind, const void *data, std::size_t bytes) noexcept
        : raw_() {
        raw_.key = key.data();
        raw_.key_len_bytes = key.size();
        raw_.kind = kind;
        raw_.data = data;
        raw_.data_len_bytes = bytes;
    }
    template <class V>
    std::optional<V> of(std::uint32_t kind, V value) const noexcept {
        return raw_.kind == kind ? std::optional<V>(value) : std::nullopt;
    }

    ringbus_attribute raw_;
};

static_assert(std::is_standard_layout_v<Attribute> && sizeof(Attribute) == sizeof(ringbus_attribute),
              "many of one are many of the other");

/// Whether a message with these attributes would pass a policy, as of `Filter::policy`.
inline Result<bool> policy_matches(const std::string &policy, View<const Attribute> attributes = {}) {
    std::int32_t matches = 0;
    const auto code = ringbus_policy_matches(
        policy.c_str(), attributes.empty() ? nullptr : &attributes.data()->raw(), attributes.size(),
        &matches);
    return detail::valued(code, matches != 0);
}

/// Whether a pattern stands for the topic of this name, among others.
inline Result<bool> pattern_matches(const std::string &pattern, const std::string &name) {
    std::int32_t matches = 0;
    const auto code = ringbus_pattern_matches(pattern.c_str(), name.c_str(), &matches);
    return detail::valued(code, matches != 0);
}

/// This moment by the clock of publish times.
inline Duration now() {
    std::uint64_t time = 0;
    ringbus_now(&time);
    return Duration(static_cast<std::int64_t>(time));
}

namespace detail {

/// The attribute that `ask` finds, if the message has it.
template <class Ask>
Result<std::optional<Attribute>> found_attribute(Ask ask) {
    ringbus_attribute found;
    const ringbus_code code = ask(&found);
    if (code == RINGBUS_OK) {
        return std::optional<Attribute>(Attribute(found));
    }
    if (code == RINGBUS_ABSENT) {
        return std::optional<Attribute>();
    }
    return detail::Last{code};
}

/// All attributes, which `ask` tells in as many places as it is given.
template <class Ask>
Result<std::vector<Attribute>> found_attributes(Ask ask) {
    std::vector<ringbus_attribute> found(8);
    std::size_t count = 0;
    ringbus_code code = ask(found.data(), found.size(), &count);
    if (code == RINGBUS_OK && count > found.size()) {
        found.resize(count);
        code = ask(found.data(), found.size(), &count);
    }
    if (code != RINGBUS_OK) {
        return detail::Last{code};
    }
    found.resize(count < found.size() ? count : found.size());
    return std::vector<Attribute>(found.begin(), found.end());
}

/// The attribute of one key.
template <class H>
Result<std::optional<Attribute>>
attribute(ringbus_code (*ask)(H *, std::uint64_t, const char *, ringbus_attribute *), H *raw,
          std::uint64_t sequence, const std::string &key) {
    return found_attribute([&](auto *found) { return ask(raw, sequence, key.c_str(), found); });
}

/// All attributes.
template <class H>
Result<std::vector<Attribute>>
attributes(ringbus_code (*ask)(H *, std::uint64_t, ringbus_attribute *, std::size_t, std::size_t *),
           H *raw, std::uint64_t sequence) {
    return found_attributes([&](auto *found, std::size_t max, std::size_t *count) {
        return ask(raw, sequence, found, max, count);
    });
}

} // namespace detail

// ---- Messages -------------------------------------------------------------------------------------

/// A message where it lies in shared memory, or an observer's copy. A view: valid until the next call
/// on the subscriber or observer that gave it.
template <class T>
class Message {
public:
    using Value = typename detail::Payload<T>::Value;
    static constexpr bool is_slice = detail::Payload<T>::is_slice;

    /// Field by field, so that those which the program does not ask for are not copied.
    explicit Message(const ringbus_message &raw) noexcept
        : raw_{raw.payload, raw.payload_len_bytes, raw.sequence, raw.tag,
               raw.time_ns, raw.publisher,         raw.flags,    raw.reserved} {}

    std::uint64_t sequence() const noexcept { return raw_.sequence; }
    /// The publisher's; 0 where the topic keeps none.
    std::uint64_t tag() const noexcept { return raw_.tag; }
    /// The publisher's; 0 where the topic keeps none.
    std::uint16_t flags() const noexcept { return raw_.flags; }
    /// The number of its publisher in the topic, where that keeps it.
    std::optional<std::uint16_t> publisher() const noexcept {
        if (raw_.publisher == RINGBUS_NO_PUBLISHER) {
            return std::nullopt;
        }
        return static_cast<std::uint16_t>(raw_.publisher);
    }
    /// CLOCK_MONOTONIC when it was sent; 0 where the topic keeps no time, or ticks.
    Duration time() const noexcept { return Duration(static_cast<std::int64_t>(raw_.time_ns)); }

    /// One value, or a `View` of several.
    decltype(auto) payload() const noexcept {
        return detail::payload_at<T>(raw_.payload, raw_.payload_len_bytes);
    }
    decltype(auto) operator*() const noexcept { return payload(); }
    template <class U = T, class = std::enable_if_t<!detail::Payload<U>::is_slice>>
    const U *operator->() const noexcept {
        return static_cast<const U *>(raw_.payload);
    }

private:
    template <class>
    friend class Subscriber;

    ringbus_message raw_;
};

/// Messages taken at once, one after the other as in a `View`. They are given back, and the cursor moves,
/// when it is destroyed: before the next call on the subscriber, which gives them back itself.
template <class T>
class [[nodiscard]] Batch {
public:
    using value_type = Message<T>;
    using iterator = const Message<T> *;
    using const_iterator = iterator;

    Batch(ringbus_subscriber *subscriber, View<const Message<T>> messages) noexcept
        : subscriber_(subscriber), messages_(messages) {}
    Batch(Batch &&other) noexcept
        : subscriber_(std::exchange(other.subscriber_, nullptr)),
          messages_(std::exchange(other.messages_, {})) {}
    Batch(const Batch &) = delete;
    Batch &operator=(const Batch &) = delete;
    /// None: the messages of the new batch would be given back with those of the old one.
    Batch &operator=(Batch &&) = delete;
    ~Batch() {
        if (!messages_.empty()) {
            ringbus_subscriber_release(subscriber_);
        }
    }

    const Message<T> *data() const noexcept { return messages_.data(); }
    std::size_t size() const noexcept { return messages_.size(); }
    [[nodiscard]] bool empty() const noexcept { return messages_.empty(); }
    iterator begin() const noexcept { return messages_.begin(); }
    iterator end() const noexcept { return messages_.end(); }
    const Message<T> &operator[](std::size_t index) const { return messages_[index]; }

private:
    ringbus_subscriber *subscriber_;
    View<const Message<T>> messages_;
};

/// Where a subscriber or observer starts to read.
class Start {
public:
    /// At the first message published after joining.
    static Start latest() { return {RINGBUS_START_LATEST, 0}; }
    /// At the oldest message retained.
    static Start oldest() { return {RINGBUS_START_OLDEST, 0}; }
    static Start sequence(std::uint64_t sequence) { return {RINGBUS_START_SEQUENCE, sequence}; }
    /// At the last so many, or as many as are retained.
    static Start last(std::uint64_t count) { return {RINGBUS_START_LAST, count}; }
    /// At the first one published at this time of CLOCK_MONOTONIC or later; a time before the clock began,
    /// as of `now() - 24h`, is its beginning.
    static Start time(Duration time) { return {RINGBUS_START_TIME, detail::timeout_ns(time)}; }

    ringbus_start raw() const noexcept { return raw_; }

private:
    Start(std::uint32_t kind, std::uint64_t value) : raw_(ringbus_start_at(kind, value)) {}

    ringbus_start raw_;
};

// ---- Publishers -----------------------------------------------------------------------------------

/// What stands beside a payload.
struct Meta {
    std::uint64_t tag = 0;
    std::uint16_t flags = 0;
    /// An array or vector of them, which must stay until the message was published.
    View<const Attribute> attributes = {};
};

/// A message that is being written where it will be read: a `T &`, or a `View` of several. What is
/// destroyed without a commit never was. It must not outlive its publisher.
template <class T>
class [[nodiscard]] Loan {
public:
    using Value = typename detail::Payload<T>::Value;
    static constexpr bool is_slice = detail::Payload<T>::is_slice;

    Loan(ringbus_publisher *publisher, const ringbus_loan &raw) noexcept
        : publisher_(publisher), raw_(raw) {}
    Loan(Loan &&other) noexcept : publisher_(other.publisher_), raw_(other.raw_) {
        other.raw_.payload = nullptr;
    }
    Loan(const Loan &) = delete;
    Loan &operator=(const Loan &) = delete;
    Loan &operator=(Loan &&other) noexcept {
        Loan taken(std::move(other));
        std::swap(publisher_, taken.publisher_);
        std::swap(raw_, taken.raw_);
        return *this;
    }
    ~Loan() {
        if (raw_.payload != nullptr) {
            ringbus_loan_abort(publisher_, &raw_);
        }
    }

    /// To be written.
    decltype(auto) payload() noexcept {
        auto *values = static_cast<Value *>(raw_.payload);
        if constexpr (is_slice) {
            return View<Value>(values, raw_.payload_len_bytes / sizeof(Value));
        } else {
            return (*values);
        }
    }
    decltype(auto) operator*() noexcept { return payload(); }
    template <class U = T, class = std::enable_if_t<!detail::Payload<U>::is_slice>>
    U *operator->() noexcept {
        return static_cast<U *>(raw_.payload);
    }

    Loan &set_tag(std::uint64_t tag) noexcept {
        raw_.tag = tag;
        return *this;
    }
    Loan &set_flags(std::uint16_t flags) noexcept {
        raw_.flags = flags;
        return *this;
    }
    /// Those it will have; earlier ones are forgotten.
    Result<void> set_attributes(View<const Attribute> attributes) {
        return detail::done(ringbus_loan_set_attributes(
            publisher_, &raw_, attributes.empty() ? nullptr : &attributes.data()->raw(),
            attributes.size()));
    }
    /// Shortens the message to its first `count` values; it is never lengthened.
    template <class U = T, class = std::enable_if_t<detail::Payload<U>::is_slice>>
    void truncate(std::size_t count) noexcept {
        if (count * sizeof(Value) < raw_.payload_len_bytes) {
            raw_.payload_len_bytes = count * sizeof(Value);
        }
    }

    /// Sends the message and gives its sequence. After a failure the loan is as it was.
    Result<std::uint64_t> commit(Duration timeout = forever) {
        std::uint64_t sequence = 0;
        const auto code =
            ringbus_loan_commit(publisher_, &raw_, detail::timeout_ns(timeout), &sequence);
        return detail::valued(code, sequence);
    }

private:
    ringbus_publisher *publisher_;
    ringbus_loan raw_;
};

/// Consecutive messages of an exclusive topic that are being written where they will be read. What is
/// destroyed without a commit never was. It must not outlive its publisher.
template <class T>
class [[nodiscard]] LoanRun {
public:
    using Value = typename detail::Payload<T>::Value;

    LoanRun(ringbus_publisher *publisher, const ringbus_run &raw) noexcept
        : publisher_(publisher), raw_(raw) {}
    LoanRun(LoanRun &&other) noexcept : publisher_(other.publisher_), raw_(other.raw_) {
        other.raw_.id = 0;
    }
    LoanRun(const LoanRun &) = delete;
    LoanRun &operator=(const LoanRun &) = delete;
    LoanRun &operator=(LoanRun &&other) noexcept {
        LoanRun taken(std::move(other));
        std::swap(publisher_, taken.publisher_);
        std::swap(raw_, taken.raw_);
        return *this;
    }
    ~LoanRun() {
        if (raw_.id != 0) {
            ringbus_run_abort(publisher_, &raw_);
        }
    }

    std::size_t size() const noexcept { return raw_.count; }
    /// The values of message `index`, to be written.
    Result<View<Value>> message(std::size_t index) {
        void *payload = nullptr;
        const auto code = ringbus_run_payload(publisher_, &raw_, index, &payload);
        const View<Value> values(static_cast<Value *>(payload), raw_.payload_len_bytes / sizeof(Value));
        return detail::valued(code, values);
    }
    void set_tag(std::uint64_t tag) noexcept { raw_.tag = tag; }
    /// Sends all messages in order and gives the sequence of the first.
    Result<std::uint64_t> commit() {
        std::uint64_t first = 0;
        const auto code = ringbus_run_commit(publisher_, &raw_, &first);
        return detail::valued(code, first);
    }

private:
    ringbus_publisher *publisher_;
    ringbus_run raw_;
};

/// Sends messages on one topic.
template <class T = std::byte[]>
class Publisher {
public:
    using Value = typename detail::Payload<T>::Value;
    static constexpr bool is_slice = detail::Payload<T>::is_slice;
    /// What it sends: one value, or several.
    using Argument = detail::Argument<T>;

    explicit Publisher(ringbus_publisher *raw) noexcept : handle_(raw) {}

    /// Sends a copy and gives its sequence; waits while the topic is full.
    Result<std::uint64_t> publish(Argument payload, Duration timeout = forever) {
        const auto bytes = detail::bytes_of<T>(payload);
        std::uint64_t sequence = 0;
        const auto code = ringbus_publish(raw(), bytes.data(), bytes.size(),
                                          detail::timeout_ns(timeout), &sequence);
        return detail::valued(code, sequence);
    }
    /// The same without a wait: `RINGBUS_FULL`.
    Result<std::uint64_t> try_publish(Argument payload) { return publish(payload, Duration(0)); }
    /// The same with a tag, flags and attributes.
    Result<std::uint64_t> publish_with(Meta meta, Argument payload, Duration timeout = forever) {
        std::uint64_t sequence = 0;
        ringbus_outgoing message{};
        put(message, meta, payload);
        const auto code =
            ringbus_publish_message(raw(), &message, detail::timeout_ns(timeout), &sequence);
        return detail::valued(code, sequence);
    }

    /// Sends several messages in order, looks for sleepers once, and gives how many. On a failure
    /// those before the message that failed were sent: see `published`. The range holds its payloads, as a
    /// vector does: those that it makes as it is read would be gone when they are sent. Values that lie one
    /// after the other, as in a vector or an array, cost least.
    template <class Range>
    Result<std::size_t> publish_batch(const Range &payloads, Duration timeout = forever) {
        if constexpr (!is_slice && detail::IsArrayOf<Value, const Range>::value) {
            std::size_t sent = 0;
            const auto code =
                ringbus_publish_array(raw(), std::data(payloads), sizeof(Value), std::size(payloads),
                                      detail::timeout_ns(timeout), &sent);
            return detail::valued(code, sent);
        } else {
            return send_each(payloads, timeout);
        }
    }
    /// The same for pairs of a `Meta` and a payload.
    template <class Range>
    Result<std::size_t> publish_batch_with(const Range &messages, Duration timeout = forever) {
        return send_batch(messages, timeout, [](ringbus_outgoing &place, const auto &message) {
            const auto &[meta, payload] = message;
            static_assert(stays<decltype(*std::begin(messages)), decltype(payload)>(),
                          "a range must hold its payloads, and as what they are sent as");
            put(place, meta, payload);
        });
    }

    /// The place of the next message, to be written in place.
    template <class U = T, class = std::enable_if_t<!detail::Payload<U>::is_slice>>
    Result<Loan<T>> loan(Duration timeout = forever) {
        return loan_bytes(sizeof(Value), timeout);
    }
    /// The same for `count` values.
    template <class U = T, class = std::enable_if_t<detail::Payload<U>::is_slice>>
    Result<Loan<T>> loan(std::size_t count, Duration timeout = forever) {
        return loan_bytes(count * sizeof(Value), timeout);
    }
    /// The places of the next `messages` messages of an exclusive topic, of `count` values each.
    Result<LoanRun<T>> loan_run(std::size_t messages, std::size_t count = 1) {
        ringbus_run run;
        const auto code = ringbus_run_open(raw(), messages, count * sizeof(Value), &run);
        if (code != RINGBUS_OK) {
            return detail::Last{code};
        }
        return LoanRun<T>(raw(), run);
    }

    /// Whether `count` living subscribers are there, within this time.
    Result<bool> wait_subscribers(std::size_t count, Duration timeout = forever) {
        return detail::came(
            ringbus_publisher_wait_subscribers(raw(), count, detail::timeout_ns(timeout)));
    }
    /// Its number in the topic, which its messages carry.
    Result<std::uint16_t> id() { return detail::told(ringbus_publisher_id, raw()); }
    /// Messages sent through its place in the topic, by predecessors as well.
    Result<std::uint64_t> published() { return detail::told(ringbus_publisher_published, raw()); }

    ringbus_publisher *raw() const noexcept { return handle_.get(); }

private:
    /// Whether a payload that a range gave is there as long as the range: it lies in it, and was not converted;
    /// or it is a view of what lies elsewhere.
    template <class Given, class Payload>
    static constexpr bool stays() {
        using Plain = std::decay_t<Payload>;
        if constexpr (is_slice) {
            return std::is_reference_v<Given> || std::is_same_v<Plain, View<const Value>>;
        } else {
            return std::is_reference_v<Given> && std::is_same_v<Plain, Value>;
        }
    }

    static void put(ringbus_outgoing &place, const Meta &meta, Argument payload) noexcept {
        const auto bytes = detail::bytes_of<T>(payload);
        place.payload = bytes.data();
        place.payload_len_bytes = bytes.size();
        place.tag = meta.tag;
        place.flags = meta.flags;
        place.attributes = meta.attributes.empty() ? nullptr : &meta.attributes.data()->raw();
        place.attribute_count = meta.attributes.size();
    }
    template <class Range>
    Result<std::size_t> send_each(const Range &payloads, Duration timeout) {
        return send_batch(payloads, timeout, [](ringbus_outgoing &place, const auto &payload) {
            static_assert(stays<decltype(*std::begin(payloads)), decltype(payload)>(),
                          "a range must hold its payloads, and as what they are sent as");
            put(place, {}, payload);
        });
    }
    template <class Range, class Put>
    Result<std::size_t> send_batch(const Range &messages, Duration timeout, Put put) {
        ringbus_outgoing *place = outgoing_.data(), *end = place + outgoing_.size();
        for (const auto &message : messages) {
            if (place == end) {
                const auto count = outgoing_.size();
                outgoing_.resize(count == 0 ? 64 : 2 * count);
                place = outgoing_.data() + count;
                end = outgoing_.data() + outgoing_.size();
            }
            put(*place++, message);
        }
        std::size_t sent = 0;
        const auto code = ringbus_publish_batch(raw(), outgoing_.data(), place - outgoing_.data(),
                                                detail::timeout_ns(timeout), &sent);
        return detail::valued(code, sent);
    }
    Result<Loan<T>> loan_bytes(std::size_t bytes, Duration timeout) {
        ringbus_loan loan;
        const auto code = ringbus_loan_open(raw(), bytes, detail::timeout_ns(timeout), &loan);
        if (code != RINGBUS_OK) {
            return detail::Last{code};
        }
        return Loan<T>(raw(), loan);
    }

    detail::Handle<ringbus_publisher, ringbus_publisher_close> handle_;
    /// Where batches are put together: as many as one had at most.
    std::vector<ringbus_outgoing> outgoing_;
};

// ---- Subscribers ----------------------------------------------------------------------------------

/// Receives the messages of one topic, in order, where they lie.
template <class T = std::byte[]>
class Subscriber {
public:
    explicit Subscriber(ringbus_subscriber *raw, std::shared_ptr<void> test = nullptr) noexcept
        : handle_(raw, std::move(test)) {}

    /// The next message, if there is one. After `RINGBUS_LAGGED` and `RINGBUS_EVICTED`, which say how
    /// many were lost, the next poll goes on.
    Result<std::optional<Message<T>>> poll() { return take(ringbus_subscriber_poll); }
    /// The newest message, unless it was read before.
    Result<std::optional<Message<T>>> latest() { return take(ringbus_subscriber_latest); }
    /// Up to `max` of the next messages; for a range-for.
    Result<Batch<T>> poll_batch(std::size_t max) {
        if (messages_.size() < max) {
            messages_.resize(max, Message<T>(ringbus_message{}));
        }
        std::size_t count = 0;
        auto *places = messages_.empty() ? nullptr : &messages_.data()->raw_;
        const auto code = ringbus_subscriber_poll_batch(raw(), places, max, &count);
        if (code >= RINGBUS_NULL_ARGUMENT) {
            return detail::Last{code};
        }
        return Batch<T>(raw(), View<const Message<T>>(messages_.data(), count));
    }

    /// Whether there is something to poll, within this time.
    Result<bool> wait(Duration timeout = forever) {
        return detail::came(ringbus_subscriber_wait(raw(), detail::timeout_ns(timeout)));
    }
    /// Gives back what was taken now rather than at the next poll.
    Result<void> release() { return detail::done(ringbus_subscriber_release(raw())); }
    Result<void> seek(Start start) {
        return detail::done(ringbus_subscriber_seek(raw(), start.raw()));
    }
    /// When the message with this sequence, of the last poll, was published.
    Result<Duration> time(std::uint64_t sequence) {
        std::uint64_t time = 0;
        const auto code = ringbus_subscriber_time(raw(), sequence, &time);
        return detail::valued(code, Duration(static_cast<std::int64_t>(time)));
    }
    /// The attribute of one key of the message with this sequence, of the last poll.
    Result<std::optional<Attribute>> attribute(std::uint64_t sequence, const std::string &key) {
        return detail::attribute(ringbus_subscriber_attribute, raw(), sequence, key);
    }
    /// All attributes of the message with this sequence, of the last poll.
    Result<std::vector<Attribute>> attributes(std::uint64_t sequence) {
        return detail::attributes(ringbus_subscriber_attributes, raw(), sequence);
    }
    Result<std::uint64_t> cursor() { return detail::told(ringbus_subscriber_cursor, raw()); }
    Result<std::uint64_t> lag() { return detail::told(ringbus_subscriber_lag, raw()); }
    Result<std::uint64_t> lagged() { return detail::told(ringbus_subscriber_lagged, raw()); }
    Result<std::uint64_t> skipped() { return detail::told(ringbus_subscriber_skipped, raw()); }
    Result<std::uint64_t> held() { return detail::told(ringbus_subscriber_held, raw()); }

    ringbus_subscriber *raw() const noexcept { return handle_.get(); }

private:
    static_assert(std::is_standard_layout_v<Message<T>> && sizeof(Message<T>) == sizeof(ringbus_message),
                  "many of one are many of the other");

    Result<std::optional<Message<T>>>
    take(ringbus_code (*how)(ringbus_subscriber *, ringbus_message *)) {
        return detail::taken<Message<T>, ringbus_message>([&](auto *message) { return how(raw(), message); });
    }

    detail::CallingHandle<ringbus_subscriber, ringbus_subscriber_close> handle_;
    /// Where batches go: as many as one was asked for at most.
    std::vector<Message<T>> messages_;
};

/// Reads a topic without being known to anybody, by copies.
template <class T = std::byte[]>
class Observer {
public:
    explicit Observer(ringbus_observer *raw) noexcept : handle_(raw) {}

    Result<std::optional<Message<T>>> poll() { return take(ringbus_observer_poll); }
    Result<std::optional<Message<T>>> latest() { return take(ringbus_observer_latest); }
    /// The newest message, whether or not it was read before: the value of a topic that is a blackboard.
    Result<std::optional<Message<T>>> current() { return take(ringbus_observer_current); }
    /// The same, but only if it is newer than the message with this sequence.
    Result<std::optional<Message<T>>> changed_since(std::uint64_t sequence) {
        return take([sequence](auto *observer, auto *message) {
            return ringbus_observer_changed_since(observer, sequence, message);
        });
    }
    Result<bool> wait(Duration timeout = forever) {
        return detail::came(ringbus_observer_wait(raw(), detail::timeout_ns(timeout)));
    }
    Result<Duration> time(std::uint64_t sequence) {
        std::uint64_t time = 0;
        const auto code = ringbus_observer_time(raw(), sequence, &time);
        return detail::valued(code, Duration(static_cast<std::int64_t>(time)));
    }
    /// The attribute of one key of the message with this sequence, of the last poll.
    Result<std::optional<Attribute>> attribute(std::uint64_t sequence, const std::string &key) {
        return detail::attribute(ringbus_observer_attribute, raw(), sequence, key);
    }
    /// All attributes of the message with this sequence, of the last poll.
    Result<std::vector<Attribute>> attributes(std::uint64_t sequence) {
        return detail::attributes(ringbus_observer_attributes, raw(), sequence);
    }
    Result<std::uint64_t> cursor() { return detail::told(ringbus_observer_cursor, raw()); }
    Result<std::uint64_t> lag() { return detail::told(ringbus_observer_lag, raw()); }
    Result<std::uint64_t> lagged() { return detail::told(ringbus_observer_lagged, raw()); }

    ringbus_observer *raw() const noexcept { return handle_.get(); }

private:
    template <class How>
    Result<std::optional<Message<T>>> take(How how) {
        return detail::taken<Message<T>, ringbus_message>([&](auto *message) { return how(raw(), message); });
    }

    detail::Handle<ringbus_observer, ringbus_observer_close> handle_;
};

/// Which messages a subscriber wants: those that pass every test.
class Filter {
public:
    /// Those with one of these tags; with none of them, if there are none.
    Filter &tags(std::vector<std::uint64_t> tags) {
        tags_ = std::move(tags);
        return *this;
    }
    Filter &tag_mask(std::uint64_t mask, std::uint64_t value) {
        raw_.tag_mask = mask;
        raw_.tag_value = value;
        return *this;
    }
    Filter &flags_mask(std::uint16_t mask, std::uint16_t value) {
        raw_.flags_mask = mask;
        raw_.flags_value = value;
        return *this;
    }
    Filter &publisher(std::uint16_t id) {
        raw_.flags |= RINGBUS_FILTER_PUBLISHER;
        raw_.publisher = id;
        return *this;
    }
    /// Every n-th of those that pass the other tests.
    Filter &every(std::uint64_t n) {
        raw_.every = n;
        return *this;
    }
    Filter &at_most_every(Duration interval) {
        raw_.interval_ns = detail::timeout_ns(interval);
        return *this;
    }
    /// Those whose attributes match this policy, as JSON: see ringbus_filter.
    Filter &policy(std::string json) {
        policy_ = std::move(json);
        return *this;
    }

    /// Valid as long as this is, unchanged.
    ringbus_filter raw() const noexcept {
        ringbus_filter raw = raw_;
        static constexpr std::uint64_t no_tags[1] = {};
        raw.tags = !tags_ ? nullptr : tags_->empty() ? no_tags : tags_->data();
        raw.tag_count = tags_ ? tags_->size() : 0;
        raw.policy = policy_ ? policy_->c_str() : nullptr;
        return raw;
    }

private:
    ringbus_filter raw_ = ringbus_filter_init();
    std::optional<std::vector<std::uint64_t>> tags_;
    std::optional<std::string> policy_;
};

namespace detail {

/// How topics are to be read, which the builders of subscribers have in common.
template <class Builder, class Options>
class Wishes {
public:
    /// Publishers wait for it.
    Builder &reliable() { return set(options_.delivery, RINGBUS_RELIABLE); }
    /// Holds up nobody, and is told exactly what it missed; the default.
    Builder &lossy() { return set(options_.delivery, RINGBUS_LOSSY); }
    /// How long it may hold up publishers without moving.
    Builder &stall_timeout(Duration timeout) {
        return set(options_.stall_timeout_ns, zero_is_meant(timeout));
    }
    /// The first message to read; in topics that appear later, it is their first.
    Builder &start(Start start) { return set(options_.start, start.raw()); }
    Builder &filter(Filter filter) { return set(filter_, std::move(filter)); }

protected:
    explicit Wishes(Options options) noexcept : options_(options) {}

    template <class V, class U>
    Builder &set(V &field, U value) {
        field = std::move(value);
        return static_cast<Builder &>(*this);
    }

    Options options_;
    Filter filter_;
};

/// A test of payloads, which the library may call until the subscriber that it was given to is closed.
class PayloadTest {
public:
    /// `test` gets what a message of `T` has as its payload.
    template <class T, class F>
    void set(F test) {
        auto kept = std::make_shared<F>(std::move(test));
        call_ = [](void *context, const void *payload, std::size_t bytes) -> std::int32_t {
            return (*static_cast<F *>(context))(payload_at<T>(payload, bytes)) ? 1 : 0;
        };
        kept_ = std::move(kept);
    }
    /// Of a filter and this; valid as long as both are.
    ringbus_filter with(const Filter &filter) const noexcept {
        ringbus_filter raw = filter.raw();
        raw.payload_test = kept_ ? call_ : nullptr;
        raw.payload_test_context = kept_.get();
        return raw;
    }
    /// For the subscriber to take, once there is one.
    std::shared_ptr<void> &&kept() noexcept { return std::move(kept_); }

private:
    std::shared_ptr<void> kept_;
    std::int32_t (*call_)(void *, const void *, std::size_t) = nullptr;
};

} // namespace detail

/// How a subscriber is to read.
template <class T>
class SubscriberBuilder : public detail::Wishes<SubscriberBuilder<T>, ringbus_subscriber_options> {
public:
    explicit SubscriberBuilder(ringbus_topic *topic) noexcept
        : detail::Wishes<SubscriberBuilder, ringbus_subscriber_options>(ringbus_subscriber_options_init()),
          topic_(topic) {}

    /// How long a wait spins before it sleeps.
    SubscriberBuilder &spin(Duration time) {
        return this->set(this->options_.spin_ns, detail::zero_is_meant(time));
    }
    /// Messages for whose payload `test` gives true, among those that the filter lets pass: it gets what
    /// `Message::payload` gives, and must not throw, nor use the subscriber.
    template <class F>
    SubscriberBuilder &filter_payload(F test) {
        test_.template set<T>(std::move(test));
        return *this;
    }

    /// A test of payloads goes to the subscriber: the next one has none.
    Result<Subscriber<T>> join() {
        const ringbus_filter filter = test_.with(this->filter_);
        auto options = this->options_;
        options.filter = &filter;
        return detail::opened<Subscriber<T>, ringbus_subscriber>(
            [&](auto **opened) { return ringbus_subscriber_open(topic_, &options, opened); }, test_.kept());
    }

private:
    ringbus_topic *topic_;
    detail::PayloadTest test_;
};

// ---- Topics ---------------------------------------------------------------------------------------

/// An open topic, from which publishers, subscribers and observers start.
template <class T = std::byte[]>
class Topic {
public:
    explicit Topic(ringbus_topic *raw) noexcept : handle_(raw) {}

    Result<Publisher<T>> publisher() const {
        return detail::opened<Publisher<T>, ringbus_publisher>(
            [&](auto **opened) { return ringbus_publisher_open(raw(),opened); });
    }
    /// To be configured and joined; it must not outlive the topic until then.
    SubscriberBuilder<T> subscriber() const { return SubscriberBuilder<T>(raw()); }
    Result<Observer<T>> observer(Start start = Start::latest()) const {
        return detail::opened<Observer<T>, ringbus_observer>(
            [&](auto **opened) { return ringbus_observer_open(raw(), start.raw(),opened); });
    }
    /// What it is and how it fares: the library's, until the next call of this on this thread.
    Result<const ringbus_topic_info *> info() const {
        const ringbus_topic_info *info = nullptr;
        const auto code = ringbus_topic_describe(raw(), &info);
        return detail::valued(code, info);
    }
    Result<bool> is_removed() const {
        std::int32_t is_removed = 0;
        const auto code = ringbus_topic_is_removed(raw(), &is_removed);
        return detail::valued(code, is_removed != 0);
    }

    ringbus_topic *raw() const noexcept { return handle_.get(); }

private:
    detail::Handle<ringbus_topic, ringbus_topic_close> handle_;
};

/// What a topic is to be. What is not set takes an existing topic as it is, and the default where it is
/// created.
template <class T>
class TopicBuilder {
public:
    using Value = typename detail::Payload<T>::Value;

    TopicBuilder(ringbus_bus *bus, std::string_view name)
        : bus_(bus), name_(name), type_name_(detail::Payload<T>::type_name()) {
        if constexpr (!detail::Payload<T>::is_slice) {
            options_.payload_fixed_bytes = sizeof(Value);
        }
    }

    /// Many publishers at once, in one total order.
    TopicBuilder &shared() { return set(options_.publishers, RINGBUS_SHARED); }
    /// One publisher at a time; the default of a new topic.
    TopicBuilder &exclusive() { return set(options_.publishers, RINGBUS_EXCLUSIVE); }
    /// Messages kept, a power of two.
    TopicBuilder &capacity(std::uint64_t slots) { return set(options_.capacity_slots, slots); }
    TopicBuilder &payload_max(std::uint64_t bytes) {
        return set(options_.payload_max_bytes, detail::zero_is_meant(bytes));
    }
    TopicBuilder &payload_fixed(std::uint64_t bytes) {
        return set(options_.payload_fixed_bytes, detail::zero_is_meant(bytes));
    }
    TopicBuilder &alignment(std::uint64_t bytes) { return set(options_.alignment_bytes, bytes); }
    TopicBuilder &max_publishers(std::uint64_t n) { return set(options_.max_publishers, n); }
    TopicBuilder &max_subscribers(std::uint64_t n) { return set(options_.max_subscribers, n); }
    TopicBuilder &loans(std::uint64_t count) { return set(options_.loans, count); }
    TopicBuilder &pins(std::uint64_t count) { return set(options_.pins, count); }
    TopicBuilder &first_sequence(std::uint64_t sequence) {
        return set(options_.first_sequence, detail::zero_is_meant(sequence));
    }
    /// Room for the attributes of each message: four bytes for each, its key and its value.
    TopicBuilder &attributes_max(std::uint64_t bytes) {
        return set(options_.attributes_max_bytes, detail::zero_is_meant(bytes));
    }
    TopicBuilder &tags(bool yes) { return set(options_.tags, yes ? RINGBUS_YES : RINGBUS_NO); }
    /// RINGBUS_TIME_...
    TopicBuilder &time(std::uint32_t source) { return set(options_.time, source); }
    TopicBuilder &wake_fence(bool yes) {
        return set(options_.wake_fence, yes ? RINGBUS_YES : RINGBUS_NO);
    }
    /// Its ring is on huge pages where it is created, or it is not: RINGBUS_SYSTEM.
    TopicBuilder &huge_pages(bool yes) {
        return set(options_.huge_pages, yes ? RINGBUS_YES : RINGBUS_NO);
    }
    /// Its memory is faulted in when handles are opened, and not when it is first used.
    TopicBuilder &prefault(bool yes) {
        return set(options_.prefault, yes ? RINGBUS_YES : RINGBUS_NO);
    }
    /// Its memory is locked, never to be swapped out.
    TopicBuilder &lock_memory(bool yes) {
        return set(options_.lock_memory, yes ? RINGBUS_YES : RINGBUS_NO);
    }
    /// Who may use it, in the manner of chmod: see ringbus_bus_options.
    TopicBuilder &mode(std::uint32_t mode) { return set(options_.mode, mode); }
    TopicBuilder &group(std::uint32_t gid) {
        options_.flags |= RINGBUS_TOPIC_GROUP;
        return set(options_.group, gid);
    }
    TopicBuilder &encoding(std::string name) { return set(encoding_, std::move(name)); }
    TopicBuilder &schema(std::string bytes) { return set(schema_, std::move(bytes)); }
    /// The name of the type, instead of that by `TypeName`.
    TopicBuilder &type_name(std::string name) { return set(type_name_, std::move(name)); }

    /// A topic that exists.
    Result<Topic<T>> open() { return by(ringbus_topic_open); }
    /// A topic that does not exist.
    Result<Topic<T>> create() { return by(ringbus_topic_create); }
    Result<Topic<T>> open_or_create() { return by(ringbus_topic_open_or_create); }

private:
    template <class V, class U>
    TopicBuilder &set(V &field, U value) {
        field = std::move(value);
        return *this;
    }
    Result<Topic<T>> by(ringbus_code (*how)(const ringbus_bus *, const char *,
                                            const ringbus_topic_options *, ringbus_topic **)) {
        if (!type_name_.empty()) {
            options_.type_name = type_name_.c_str();
            options_.type_size_bytes = sizeof(Value);
            options_.type_alignment_bytes = alignof(Value);
        }
        options_.encoding = encoding_.empty() ? nullptr : encoding_.c_str();
        options_.schema = schema_.data();
        options_.schema_len_bytes = schema_.size();
        return detail::opened<Topic<T>, ringbus_topic>(
            [&](auto **opened) { return how(bus_, name_.c_str(), &options_,opened); });
    }

    ringbus_bus *bus_;
    std::string name_, type_name_, encoding_, schema_;
    ringbus_topic_options options_ = ringbus_topic_options_init();
};

// ---- Many topics ----------------------------------------------------------------------------------

/// A message of one of many topics. A view: valid until the next call on the subscriber that gave it.
class MultiMessage : public Message<std::byte[]> {
public:
    explicit MultiMessage(const ringbus_multi_message &raw) noexcept
        : Message<std::byte[]>(raw.message), raw_(raw) {}

    /// The topic that it was published on.
    std::string_view topic() const noexcept { return raw_.topic; }
    /// Which patterns that topic matches, by their indices.
    View<const std::size_t> patterns() const noexcept { return {raw_.patterns, raw_.pattern_count}; }
    /// A copy of the payload as a `T`, where it has the size of one: that it is one is for the caller to
    /// know.
    template <class T>
    std::optional<T> as() const {
        static_assert(std::is_trivially_copyable_v<T>, "only trivially copyable types can be sent");
        if (payload().size() != sizeof(T)) {
            return std::nullopt;
        }
        T value;
        std::memcpy(&value, payload().data(), sizeof(T));
        return value;
    }

    const ringbus_multi_message &raw() const noexcept { return raw_; }

private:
    ringbus_multi_message raw_;
};

/// One topic of a multi subscriber, as it stands.
struct MultiTopic {
    std::string name;
    /// The sequence of its next message.
    std::uint64_t cursor;
    /// Messages published and not handed out yet.
    std::uint64_t lag;
    /// Messages missed.
    std::uint64_t lagged;
    /// Messages that the filter did not want.
    std::uint64_t skipped;
};

/// Receives the messages of all topics that match patterns, now and later, where they lie.
class MultiSubscriber {
public:
    explicit MultiSubscriber(ringbus_multi_subscriber *raw, std::shared_ptr<void> test = nullptr) noexcept
        : handle_(raw, std::move(test)) {}

    /// The next message of any topic, if there is one. After `RINGBUS_LAGGED` and `RINGBUS_EVICTED`, whose
    /// `Error::topic` has lost messages, the next poll goes on.
    Result<std::optional<MultiMessage>> poll() {
        return detail::taken<MultiMessage, ringbus_multi_message>(
            [&](auto *message) { return ringbus_multi_subscriber_poll(raw(), message); });
    }
    /// Whether there is something to poll, within this time.
    Result<bool> wait(Duration timeout = forever) {
        return detail::came(ringbus_multi_subscriber_wait(raw(), detail::timeout_ns(timeout)));
    }
    /// Gives back what was taken now rather than at the next poll.
    Result<void> release() { return detail::done(ringbus_multi_subscriber_release(raw())); }
    /// The attribute of one key of the message of the last poll.
    Result<std::optional<Attribute>> attribute(const std::string &key) {
        return detail::found_attribute(
            [&](auto *found) { return ringbus_multi_subscriber_attribute(raw(), key.c_str(), found); });
    }
    /// All attributes of the message of the last poll.
    Result<std::vector<Attribute>> attributes() {
        return detail::found_attributes([&](auto *found, std::size_t max, std::size_t *count) {
            return ringbus_multi_subscriber_attributes(raw(), found, max, count);
        });
    }
    /// The topics that it reads now.
    Result<std::vector<MultiTopic>> topics() {
        const ringbus_multi_topic *const *topics = nullptr;
        std::size_t count = 0;
        const auto code = ringbus_multi_subscriber_topics(raw(), &topics, &count);
        if (code != RINGBUS_OK) {
            return detail::Last{code};
        }
        std::vector<MultiTopic> found;
        for (const auto *topic : View<const ringbus_multi_topic *const>(topics, count)) {
            found.push_back({topic->name, topic->cursor, topic->lag, topic->lagged, topic->skipped});
        }
        return found;
    }
    /// Messages missed on all topics, those that are gone included.
    Result<std::uint64_t> lagged() { return detail::told(ringbus_multi_subscriber_lagged, raw()); }

    ringbus_multi_subscriber *raw() const noexcept { return handle_.get(); }

private:
    detail::CallingHandle<ringbus_multi_subscriber, ringbus_multi_subscriber_close> handle_;
};

namespace detail {

/// How many topics are to be read.
template <class Builder>
class MultiWishes : public Wishes<Builder, ringbus_multi_options> {
public:
    /// Of all messages that are there, that comes first which was published first. Without it topics take
    /// turns.
    Builder &by_time() { return this->set(this->options_.order, RINGBUS_ORDER_TIME); }

protected:
    MultiWishes() noexcept : Wishes<Builder, ringbus_multi_options>(ringbus_multi_options_init()) {}
};

} // namespace detail

/// How a multi subscriber is to read.
class MultiSubscriberBuilder : public detail::MultiWishes<MultiSubscriberBuilder> {
public:
    MultiSubscriberBuilder(ringbus_bus *bus, std::string pattern) : bus_(bus) {
        also(std::move(pattern));
    }

    /// Adds the topics of another pattern. One that matches several is read once.
    MultiSubscriberBuilder &also(std::string pattern) {
        patterns_.push_back(std::move(pattern));
        return *this;
    }
    MultiSubscriberBuilder &spin(Duration time) {
        return set(options_.spin_ns, detail::zero_is_meant(time));
    }
    /// Messages for whose payload `test` gives true: it gets a `View<const std::byte>`, and must not throw,
    /// nor use the subscriber.
    template <class F>
    MultiSubscriberBuilder &filter_payload(F test) {
        test_.set<std::byte[]>(std::move(test));
        return *this;
    }

    /// A test of payloads goes to the subscriber: the next one has none.
    Result<MultiSubscriber> join() {
        std::vector<const char *> patterns;
        for (const auto &pattern : patterns_) {
            patterns.push_back(pattern.c_str());
        }
        const ringbus_filter filter = test_.with(filter_);
        auto options = options_;
        options.filter = &filter;
        return detail::opened<MultiSubscriber, ringbus_multi_subscriber>(
            [&](auto **opened) {
                return ringbus_multi_subscriber_open(bus_, patterns.data(), patterns.size(), &options,
                                                     opened);
            },
            test_.kept());
    }

private:
    ringbus_bus *bus_;
    std::vector<std::string> patterns_;
    detail::PayloadTest test_;
};

// ---- Handlers -------------------------------------------------------------------------------------

#if defined(__cpp_exceptions) || defined(__EXCEPTIONS) || defined(_CPPUNWIND)
#define RINGBUS_CONTAIN_EXCEPTIONS 1
#endif

namespace detail {

/// Keeps a text for the moment in which the library copies it, without allocating.
inline const char *for_a_moment(const char *text) noexcept {
    static thread_local char kept[512];
    const std::size_t length = std::strlen(text);
    const std::size_t fitting = length < sizeof kept ? length : sizeof kept - 1;
    std::memcpy(kept, text, fitting);
    kept[fitting] = '\0';
    return kept;
}

/// What `work` returns; an exception ends here, and nowhere else.
template <class Work>
std::int32_t contained(const char **words, Work work) noexcept {
#ifdef RINGBUS_CONTAIN_EXCEPTIONS
    try {
        return work();
    } catch (const std::exception &exception) {
        *words = for_a_moment(exception.what());
    } catch (...) {
        *words = "an exception that is no std::exception";
    }
    return RINGBUS_HANDLER_THREW;
#else
    (void)words;
    return work();
#endif
}

} // namespace detail

/// A message, as a handler gets it. A view: valid until the handler returns.
class HandledMessage : public MultiMessage {
public:
    using MultiMessage::MultiMessage;

    /// The attribute of one key.
    Result<std::optional<Attribute>> attribute(const std::string &key) const {
        return detail::found_attribute(
            [&](auto *found) { return ringbus_handler_attribute(key.c_str(), found); });
    }
    /// All attributes.
    Result<std::vector<Attribute>> attributes() const {
        return detail::found_attributes([](auto *found, std::size_t max, std::size_t *count) {
            return ringbus_handler_attributes(found, max, count);
        });
    }
};

/// Something that went wrong in a dispatcher. A view, as the above.
class Trouble {
public:
    explicit Trouble(const ringbus_trouble *raw) noexcept : raw_(raw) {}

    /// RINGBUS_TROUBLE_...
    std::uint32_t kind() const noexcept { return raw_->kind; }
    /// What a poll of the topic would have returned; `RINGBUS_OK` where a handler is to blame.
    ringbus_code code() const noexcept { return raw_->code; }
    /// The topic; "" where it is about none.
    std::string_view topic() const noexcept { return text(raw_->topic); }
    /// The message that was handled.
    std::uint64_t sequence() const noexcept { return raw_->sequence; }
    /// The pattern of the handler; "" where it is about none.
    std::string_view pattern() const noexcept { return text(raw_->pattern); }
    std::string_view words() const noexcept { return text(raw_->words); }
    /// Messages that were overwritten before they could be handled.
    std::uint64_t missed() const noexcept { return raw_->missed; }

private:
    static std::string_view text(const char *text) noexcept { return text ? text : ""; }

    const ringbus_trouble *raw_;
};

/// Calls handlers with messages; any thread may stop it. One of its handlers cannot destroy it: that stops
/// the program, as what it calls would be gone.
class Dispatcher {
public:
    Dispatcher(ringbus_dispatcher *raw, std::vector<std::shared_ptr<void>> handlers) noexcept
        : handlers_(std::move(handlers)), raw_(raw) {}
    Dispatcher(Dispatcher &&other) noexcept
        : handlers_(std::move(other.handlers_)), raw_(std::exchange(other.raw_, nullptr)) {}
    Dispatcher &operator=(Dispatcher &&other) noexcept {
        if (this != &other) {
            close();
            handlers_ = std::move(other.handlers_);
            raw_ = std::exchange(other.raw_, nullptr);
        }
        return *this;
    }
    Dispatcher(const Dispatcher &) = delete;
    Dispatcher &operator=(const Dispatcher &) = delete;
    ~Dispatcher() { close(); }

    /// Calls handlers on this thread for this time; `false` once it was stopped.
    Result<bool> run_for(Duration time) {
        return detail::came(ringbus_dispatcher_run(raw(), detail::timeout_ns(time)));
    }
    /// Calls handlers on this thread for everything that is there; says how many messages that were.
    Result<std::uint64_t> drain() {
        std::uint64_t messages = 0;
        const auto code = ringbus_dispatcher_drain(raw(), &messages);
        if (code >= RINGBUS_NULL_ARGUMENT) {
            return detail::Last{code};
        }
        return messages;
    }
    /// Handles what was published until now, ends the run under way or the threads, and says what became of
    /// all messages.
    Result<ringbus_dispatched> stop() const { return counts(ringbus_dispatcher_stop); }
    /// What became of the messages so far.
    Result<ringbus_dispatched> dispatched() const { return counts(ringbus_dispatcher_dispatched); }

    ringbus_dispatcher *raw() const noexcept { return raw_; }

private:
    void close() noexcept {
        const auto code = ringbus_dispatcher_close(raw_);
        if (code == RINGBUS_BUSY) {
            detail::fail(Error::last(code).message().c_str());
        }
    }
    Result<ringbus_dispatched> counts(ringbus_code (*ask)(const ringbus_dispatcher *,
                                                          ringbus_dispatched *)) const {
        return detail::told(ask, raw());
    }

    /// What the library may call until the handle is closed.
    std::vector<std::shared_ptr<void>> handlers_;
    ringbus_dispatcher *raw_;
};

/// Handlers by pattern, before they are at work.
class DispatcherBuilder : public detail::MultiWishes<DispatcherBuilder> {
public:
    explicit DispatcherBuilder(ringbus_bus *bus) : bus_(bus) {}

    /// Calls `handler` with each message, a `const HandledMessage &`, of the topics that match `pattern`, now
    /// and later. It gives nothing, or a `Result<void>`. An exception that it throws ends there: it is
    /// counted and told of, and nothing else is different. With several threads it may be called by several
    /// at once, for different topics.
    template <class F>
    DispatcherBuilder &on(std::string pattern, F handler) {
        auto kept = std::make_shared<F>(std::move(handler));
        entries_.push_back({std::move(pattern), call<F>, kept.get()});
        kept_.push_back(std::move(kept));
        return *this;
    }
    /// Calls `tell` with all that goes wrong, a `const Trouble &`, by one thread at a time. An exception that
    /// it throws is counted as one of a handler.
    template <class F>
    DispatcherBuilder &on_trouble(F tell) {
        auto kept = std::make_shared<F>(std::move(tell));
        tell_ = [](void *context, const ringbus_trouble *trouble) noexcept -> std::int32_t {
            const char *words = nullptr;
            return detail::contained(&words, [&] {
                (*static_cast<F *>(context))(Trouble(trouble));
                return RINGBUS_HANDLED;
            });
        };
        tell_context_ = kept.get();
        kept_.push_back(std::move(kept));
        return *this;
    }

    /// A dispatcher for the threads that run it.
    Result<Dispatcher> join() { return open(0); }
    /// One with `threads` threads of its own, at least one, each for a share of the topics.
    Result<Dispatcher> spawn(std::uint32_t threads) { return open(threads > 0 ? threads : 1); }

private:
    struct Entry {
        std::string pattern;
        std::int32_t (*handle)(void *, const ringbus_multi_message *, const char **);
        void *context;
    };

    template <class F>
    static std::int32_t call(void *context, const ringbus_multi_message *raw, const char **words) noexcept {
        return detail::contained(words, [&]() -> std::int32_t {
            auto &handler = *static_cast<F *>(context);
            const HandledMessage message(*raw);
            if constexpr (std::is_void_v<decltype(handler(message))>) {
                handler(message);
            } else {
                const Result<void> result = handler(message);
                if (!result) {
                    *words = detail::for_a_moment(result.error().message().c_str());
                    return RINGBUS_HANDLER_FAILED;
                }
            }
            return RINGBUS_HANDLED;
        });
    }
    Result<Dispatcher> open(std::uint32_t threads) {
        std::vector<ringbus_handler> handlers;
        for (const auto &entry : entries_) {
            handlers.push_back({entry.pattern.c_str(), entry.handle, entry.context});
        }
        const ringbus_filter filter = filter_.raw();
        ringbus_dispatcher_options options = ringbus_dispatcher_options_init();
        options.threads = threads;
        options.delivery = options_.delivery;
        options.order = options_.order;
        options.start = options_.start;
        options.stall_timeout_ns = options_.stall_timeout_ns;
        options.filter = &filter;
        options.on_trouble = tell_;
        options.on_trouble_context = tell_context_;
        return detail::opened<Dispatcher, ringbus_dispatcher>(
            [&](auto **opened) { return ringbus_dispatcher_open(bus_, handlers.data(), handlers.size(), &options,opened); }, kept_);
    }

    ringbus_bus *bus_;
    std::vector<Entry> entries_;
    std::vector<std::shared_ptr<void>> kept_;
    std::int32_t (*tell_)(void *, const ringbus_trouble *) = nullptr;
    void *tell_context_ = nullptr;
};

// ---- Requests and replies -------------------------------------------------------------------------

namespace detail {

/// How a service describes its payloads; the name is kept in `name`.
template <class T>
ringbus_type type_of(std::string &name) {
    ringbus_type type{};
    name = Payload<T>::type_name();
    if (!name.empty()) {
        type.name = name.c_str();
        type.size_bytes = sizeof(typename Payload<T>::Value);
        type.alignment_bytes = alignof(typename Payload<T>::Value);
    }
    return type;
}

RINGBUS_COLD inline Error no_answer_in_time() {
    return Error::of(RINGBUS_TIMEOUT, "no answer within the time");
}

} // namespace detail

/// An answer, or a part of one: a copy, valid until the next call on the client that gave it.
template <class R = std::byte[]>
class Reply {
public:
    explicit Reply(const ringbus_reply &raw) noexcept : raw_(raw) {}

    /// One value, or a `View` of several.
    decltype(auto) payload() const noexcept {
        return detail::payload_at<R>(raw_.payload, raw_.payload_len_bytes);
    }
    decltype(auto) operator*() const noexcept { return payload(); }
    /// The number of the server that answered.
    std::uint16_t server() const noexcept { return static_cast<std::uint16_t>(raw_.server); }

private:
    ringbus_reply raw_;
};

/// A call under way, of the client that has made it.
enum class Call : std::uint64_t {};

/// Sends requests to the servers of a service and takes their replies, for any number of calls at a time.
template <class Q = std::byte[], class R = std::byte[]>
class Client {
public:
    using Request = detail::Argument<Q>;

    explicit Client(ringbus_client *raw) noexcept : handle_(raw) {}

    /// Asks one server, and waits for the first reply. `RINGBUS_TIMEOUT`; `RINGBUS_NO_SERVER`, at once;
    /// `RINGBUS_SERVER_ENDED`; `RINGBUS_SERVER_FAILED`; `RINGBUS_NO_REPLY`.
    Result<Reply<R>> call(Request request, Duration timeout = forever) {
        const auto bytes = detail::bytes_of<Q>(request);
        ringbus_reply reply;
        const auto code = ringbus_client_call(raw(), bytes.data(), bytes.size(),
                                              detail::timeout_ns(timeout), &reply);
        if (code == RINGBUS_OK) {
            return Reply<R>(reply);
        }
        if (code == RINGBUS_TIMEOUT) {
            return detail::no_answer_in_time();
        }
        return detail::Last{code};
    }
    /// Asks one server; `next` gives what it answers.
    Result<Call> send(Request request, Duration timeout = forever) {
        return begin(ringbus_client_send, request, timeout);
    }
    /// Asks all servers; `next` gives what they answer, as it comes.
    Result<Call> send_to_all(Request request, Duration timeout = forever) {
        return begin(ringbus_client_send_to_all, request, timeout);
    }
    /// The next reply to a call; none once its answer has ended. `RINGBUS_TIMEOUT`: ask again, or cancel.
    Result<std::optional<Reply<R>>> next(Call call, Duration timeout = forever) {
        ringbus_reply reply;
        const auto code = ringbus_client_next(raw(), static_cast<std::uint64_t>(call),
                                              detail::timeout_ns(timeout), &reply);
        switch (code) {
        case RINGBUS_OK:
            return std::optional<Reply<R>>(Reply<R>(reply));
        case RINGBUS_ENDED:
            return std::optional<Reply<R>>();
        case RINGBUS_TIMEOUT:
            return detail::no_answer_in_time();
        default:
            return detail::Last{code};
        }
    }
    /// Asks all servers and waits for the answers of all: their replies, and for each that has none, why.
    Result<std::vector<Result<Reply<R>>>> gather(Request request, Duration timeout = forever) {
        const auto bytes = detail::bytes_of<Q>(request);
        const ringbus_reply *replies = nullptr;
        std::size_t count = 0;
        const auto code = ringbus_client_gather(raw(), bytes.data(), bytes.size(),
                                                detail::timeout_ns(timeout), &replies, &count);
        if (code != RINGBUS_OK) {
            return detail::Last{code};
        }
        std::vector<Result<Reply<R>>> answers;
        for (const auto &reply : View<const ringbus_reply>(replies, count)) {
            if (reply.code == RINGBUS_OK) {
                answers.emplace_back(Reply<R>(reply));
            } else {
                answers.emplace_back(Error::of(reply.code, reply.why, reply.server));
            }
        }
        return answers;
    }
    /// Ends a call: whatever comes for it is dropped.
    Result<void> cancel(Call call) {
        return detail::done(ringbus_client_cancel(raw(), static_cast<std::uint64_t>(call)));
    }
    /// How many servers live.
    Result<std::size_t> servers() {
        return detail::told(ringbus_client_servers, raw());
    }

    ringbus_client *raw() const noexcept { return handle_.get(); }

private:
    Result<Call> begin(ringbus_code (*how)(ringbus_client *, const void *, std::size_t, std::uint64_t,
                                           std::uint64_t *),
                       Request request, Duration timeout) {
        const auto bytes = detail::bytes_of<Q>(request);
        std::uint64_t call = 0;
        const auto code =
            how(raw(), bytes.data(), bytes.size(), detail::timeout_ns(timeout), &call);
        return detail::valued(code, static_cast<Call>(call));
    }

    detail::Handle<ringbus_client, ringbus_client_close> handle_;
};

/// How a client is to be.
template <class Q, class R>
class ClientBuilder {
public:
    ClientBuilder(ringbus_bus *bus, std::string_view service) : bus_(bus), service_(service) {}

    /// Servers wait for it, up to a second. Without it, one that is a ring of replies behind is told
    /// `RINGBUS_REPLIES_LOST`.
    ClientBuilder &reliable() {
        options_.delivery = RINGBUS_RELIABLE;
        return *this;
    }
    ClientBuilder &spin(Duration time) {
        options_.spin_ns = detail::zero_is_meant(time);
        return *this;
    }

    /// `RINGBUS_NO_SERVER` where nobody ever served.
    Result<Client<Q, R>> join() {
        std::string request, reply;
        options_.request_type = detail::type_of<Q>(request);
        options_.reply_type = detail::type_of<R>(reply);
        return detail::opened<Client<Q, R>, ringbus_client>(
            [&](auto **opened) { return ringbus_client_open(bus_, service_.c_str(), &options_,opened); });
    }

private:
    ringbus_bus *bus_;
    std::string service_;
    ringbus_client_options options_ = ringbus_client_options_init();
};

/// A request. Keep it to answer it later; what is destroyed without an answer is answered by a failure. Its
/// payload is a view: valid until the request is answered, or the next call on the server that is not about
/// it.
template <class Q = std::byte[], class R = std::byte[]>
class [[nodiscard]] Request {
public:
    Request(ringbus_server *server, const ringbus_request &raw) noexcept : server_(server), raw_(raw) {}
    Request(Request &&other) noexcept : server_(other.server_), raw_(other.raw_) { other.raw_.id = 0; }
    Request(const Request &) = delete;
    Request &operator=(const Request &) = delete;
    Request &operator=(Request &&other) noexcept {
        Request taken(std::move(other));
        std::swap(server_, taken.server_);
        std::swap(raw_, taken.raw_);
        return *this;
    }
    ~Request() {
        if (raw_.id != 0) {
            ringbus_server_fail(server_, raw_.id, "the request was dropped");
        }
    }

    /// One value, or a `View` of several.
    decltype(auto) payload() const noexcept {
        return detail::payload_at<Q>(raw_.payload, raw_.payload_len_bytes);
    }
    decltype(auto) operator*() const noexcept { return payload(); }

    /// Sends a part of the answer; more follow, and at last one of those below.
    Result<void> send(detail::Argument<R> payload) {
        const auto bytes = detail::bytes_of<R>(payload);
        return detail::done(ringbus_server_send(server_, raw_.id, bytes.data(), bytes.size()));
    }
    /// Answers, as the only reply or the last of several. On a failure the client is told that there is none.
    Result<void> reply(detail::Argument<R> payload) {
        const auto bytes = detail::bytes_of<R>(payload);
        return end(ringbus_server_reply(server_, raw_.id, bytes.data(), bytes.size()));
    }
    /// Ends the answer without a further reply.
    Result<void> finish() { return end(ringbus_server_finish(server_, raw_.id)); }
    /// Says why there is no answer, in up to 200 bytes.
    Result<void> fail(const std::string &why) {
        return end(ringbus_server_fail(server_, raw_.id, why.c_str()));
    }

private:
    Result<void> end(ringbus_code code) {
        raw_.id = 0;
        return detail::done(code);
    }

    ringbus_server *server_;
    ringbus_request raw_;
};

/// Answers the requests of a service's clients.
template <class Q = std::byte[], class R = std::byte[]>
class Server {
public:
    explicit Server(ringbus_server *raw) noexcept : handle_(raw) {}

    /// The next request, if there is one. After `RINGBUS_EVICTED`, which says how many were missed, the
    /// next poll goes on.
    Result<std::optional<Request<Q, R>>> poll() {
        ringbus_request request;
        const auto code = ringbus_server_poll(raw(), &request);
        if (code == RINGBUS_OK) {
            return std::optional<Request<Q, R>>(Request<Q, R>(raw(), request));
        }
        if (code == RINGBUS_EMPTY) {
            return std::optional<Request<Q, R>>();
        }
        return detail::Last{code};
    }
    /// Whether there is a request, within this time.
    Result<bool> wait(Duration timeout = forever) {
        return detail::came(ringbus_server_wait(raw(), detail::timeout_ns(timeout)));
    }
    /// Its number, by which clients know it.
    Result<std::uint16_t> id() { return detail::told(ringbus_server_id, raw()); }

    ringbus_server *raw() const noexcept { return handle_.get(); }

private:
    detail::Handle<ringbus_server, ringbus_server_close> handle_;
};

/// How a server is to be. Whoever comes first to a service decides its form.
template <class Q, class R>
class ServerBuilder {
public:
    ServerBuilder(ringbus_bus *bus, std::string_view service) : bus_(bus), service_(service) {}

    /// Requests, and replies, that are kept: a power of two.
    ServerBuilder &capacity(std::uint64_t slots) { return set(options_.capacity_slots, slots); }
    /// The longest request, where they have no one length.
    ServerBuilder &request_max(std::uint64_t bytes) {
        return set(options_.request_max_bytes, detail::zero_is_meant(bytes));
    }
    /// The longest reply, where they have no one length.
    ServerBuilder &reply_max(std::uint64_t bytes) {
        return set(options_.reply_max_bytes, detail::zero_is_meant(bytes));
    }
    /// How long it may hold up clients while it does not poll.
    ServerBuilder &stall_timeout(Duration timeout) {
        return set(options_.stall_timeout_ns, detail::zero_is_meant(timeout));
    }

    Result<Server<Q, R>> join() {
        std::string request, reply;
        options_.request_type = detail::type_of<Q>(request);
        options_.reply_type = detail::type_of<R>(reply);
        return detail::opened<Server<Q, R>, ringbus_server>(
            [&](auto **opened) { return ringbus_server_open(bus_, service_.c_str(), &options_,opened); });
    }

private:
    ServerBuilder &set(std::uint64_t &field, std::uint64_t value) {
        field = value;
        return *this;
    }

    ringbus_bus *bus_;
    std::string service_;
    ringbus_server_options options_ = ringbus_server_options_init();
};

// ---- Buses ----------------------------------------------------------------------------------------

/// A topic that came or went.
struct TopicEvent {
    bool appeared;
    std::string name;
};

/// Reports the topics of a bus: first those that exist, then each that appears or vanishes.
class Watch {
public:
    explicit Watch(ringbus_watch *raw) noexcept : handle_(raw) {}

    /// The next event, within this time.
    Result<std::optional<TopicEvent>> next(Duration timeout = forever) {
        ringbus_topic_event event;
        const auto code = ringbus_watch_next(raw(), detail::timeout_ns(timeout), &event);
        if (code == RINGBUS_OK) {
            return std::optional<TopicEvent>({event.kind == RINGBUS_TOPIC_APPEARED, event.name});
        }
        if (code == RINGBUS_TIMEOUT) {
            return std::optional<TopicEvent>();
        }
        return detail::Last{code};
    }

    ringbus_watch *raw() const noexcept { return handle_.get(); }

private:
    detail::Handle<ringbus_watch, ringbus_watch_close> handle_;
};

/// Waits for any number of subscribers of one bus at once, and for file descriptors. Of its calls one at
/// a time may be under way, but for `interrupt`.
class WaitSet {
public:
    explicit WaitSet(ringbus_wait_set *raw) noexcept : handle_(raw) {}

    /// Adds a subscriber, to be known by `token`; it is used as before, and leaves when it ends.
    template <class T>
    Result<void> add(Subscriber<T> &subscriber, std::uint64_t token) {
        return detail::done(ringbus_wait_set_add(raw(), subscriber.raw(), token));
    }
    /// Adds a file descriptor: ready while it can be read, or has an error or an end.
    /// `RINGBUS_INVALID_ARGUMENT` for one that is not open, or a regular file or directory.
    Result<void> add_fd(int fd, std::uint64_t token) {
        return detail::done(ringbus_wait_set_add_fd(raw(), fd, token));
    }
    /// Takes out what is known by `token`.
    Result<void> remove(std::uint64_t token) {
        return detail::done(ringbus_wait_set_remove(raw(), token));
    }
    /// Sleeps until a member is ready, within this time, or until interrupted: the tokens of up to 64
    /// members that are, until the next call. A member is ready for as long as it has something to say.
    Result<View<const std::uint64_t>> wait(Duration timeout = forever) {
        if (tokens_.empty()) {
            tokens_.resize(64);
        }
        std::size_t count = 0;
        const auto code = ringbus_wait_set_wait(raw(), detail::timeout_ns(timeout), tokens_.size(),
                                                tokens_.data(), &count);
        if (code != RINGBUS_OK && code != RINGBUS_TIMEOUT) {
            return detail::Last{code};
        }
        const auto ready = code == RINGBUS_OK ? count : 0;
        return View<const std::uint64_t>(tokens_.data(), ready);
    }
    /// Ends the wait under way on another thread or, where there is none, the next one.
    Result<void> interrupt() const { return detail::done(ringbus_wait_set_interrupt(raw())); }
    /// The set's own descriptor for epoll, poll or select: when it is readable, call `wait(0s)`, until
    /// that gives nothing.
    Result<int> fd() {
        return detail::told(ringbus_wait_set_fd, raw());
    }

    ringbus_wait_set *raw() const noexcept { return handle_.get(); }

private:
    detail::Handle<ringbus_wait_set, ringbus_wait_set_close> handle_;
    std::vector<std::uint64_t> tokens_;
};

class BusBuilder;

/// A named set of topics.
class Bus {
public:
    explicit Bus(ringbus_bus *raw) noexcept : handle_(raw) {}

    /// The bus `name` of this user, created where it is not there.
    static Result<Bus> open(const std::string &name) { return by(&name, nullptr); }
    static BusBuilder builder();

    /// A topic of `T`, of `T[]`, or of bytes, to be described and opened; the bus must stay until then.
    template <class T = std::byte[]>
    TopicBuilder<T> topic(std::string_view name) const {
        return TopicBuilder<T>(raw(), name);
    }
    Result<std::string> name() const { return text(ringbus_bus_name); }
    Result<std::string> path() const { return text(ringbus_bus_path); }
    Result<std::uint64_t> id() const {
        return detail::told(ringbus_bus_id, raw());
    }
    /// All topics: the library's, until the next call of this on this thread.
    Result<View<const ringbus_topic_info *const>> topics() const {
        const ringbus_topic_info *const *topics = nullptr;
        std::size_t count = 0;
        const auto code = ringbus_bus_topics(raw(), &topics, &count);
        return detail::valued(code, View<const ringbus_topic_info *const>(topics, count));
    }
    /// Who takes part: the library's, until the next call of this on this thread.
    Result<View<const ringbus_participant_info *const>> participants() const {
        const ringbus_participant_info *const *participants = nullptr;
        std::size_t count = 0;
        const auto code = ringbus_bus_participants(raw(), &participants, &count);
        return detail::valued(code, View<const ringbus_participant_info *const>(participants, count));
    }
    /// Removes a topic: without `force` only if nobody publishes or subscribes.
    Result<void> remove(const std::string &topic, bool force = false) const {
        return detail::done(
            ringbus_bus_remove(raw(), topic.c_str(), force ? RINGBUS_REMOVE_FORCE : 0));
    }
    Result<ringbus_collected> gc() const {
        ringbus_collected collected{};
        const auto code = ringbus_bus_gc(raw(), &collected);
        return detail::valued(code, collected);
    }
    /// An empty set to wait with, for this bus's subscribers.
    Result<WaitSet> wait_set() const {
        return detail::opened<WaitSet, ringbus_wait_set>(
            [&](auto **opened) { return ringbus_wait_set_open(raw(),opened); });
    }
    /// All topics that match a pattern, now and later: to be configured and joined; the bus must stay until
    /// then.
    MultiSubscriberBuilder subscribe_pattern(std::string pattern) const {
        return MultiSubscriberBuilder(raw(), std::move(pattern));
    }
    /// Handlers to be registered and set to work; the bus must stay until then.
    DispatcherBuilder dispatcher() const { return DispatcherBuilder(raw()); }
    /// A client of a service, of requests `Q` and replies `R`: to be configured and joined; the bus must stay
    /// until then.
    template <class Q = std::byte[], class R = std::byte[]>
    ClientBuilder<Q, R> client(std::string_view service) const {
        return ClientBuilder<Q, R>(raw(), service);
    }
    /// A server of a service, of requests `Q` and replies `R`: to be configured and joined; the bus must stay
    /// until then.
    template <class Q = std::byte[], class R = std::byte[]>
    ServerBuilder<Q, R> server(std::string_view service) const {
        return ServerBuilder<Q, R>(raw(), service);
    }
    Result<Watch> watch() const {
        return detail::opened<Watch, ringbus_watch>(
            [&](auto **opened) { return ringbus_watch_open(raw(),opened); });
    }

    ringbus_bus *raw() const noexcept { return handle_.get(); }

private:
    friend class BusBuilder;

    static Result<Bus> by(const std::string *name, const ringbus_bus_options *options) {
        return detail::opened<Bus, ringbus_bus>(
            [&](auto **opened) { return ringbus_bus_open(name ? name->c_str() : nullptr, options,opened); });
    }
    Result<std::string> text(ringbus_code (*ask)(const ringbus_bus *, const char **)) const {
        const char *text = nullptr;
        const auto code = ask(raw(), &text);
        if (code != RINGBUS_OK) {
            return detail::Last{code};
        }
        return std::string(text);
    }

    detail::Handle<ringbus_bus, ringbus_bus_close> handle_;
};

/// Where a bus is and who may use it.
class BusBuilder {
public:
    BusBuilder &name(std::string name) {
        name_ = std::move(name);
        return *this;
    }
    /// The directory that holds buses.
    BusBuilder &directory(std::string path) {
        directory_ = std::move(path);
        return *this;
    }
    /// Who may use it, in the manner of chmod: see ringbus_bus_options.
    BusBuilder &mode(std::uint32_t mode) {
        options_.mode = mode;
        return *this;
    }
    BusBuilder &group(std::uint32_t gid) {
        options_.flags |= RINGBUS_BUS_GROUP;
        options_.group = gid;
        return *this;
    }
    /// It must exist.
    BusBuilder &existing() {
        options_.flags |= RINGBUS_BUS_EXISTING;
        return *this;
    }

    Result<Bus> open() const {
        const ringbus_bus_options options = raw();
        return Bus::by(name_ ? &*name_ : nullptr, &options);
    }
    /// Removes the bus with all its topics.
    Result<void> destroy() const {
        const ringbus_bus_options options = raw();
        return detail::done(ringbus_bus_destroy(name_ ? name_->c_str() : nullptr, &options));
    }
    /// The buses that are there.
    Result<std::vector<std::string>> names() const {
        const ringbus_bus_options options = raw();
        const char *const *names = nullptr;
        std::size_t count = 0;
        const auto code = ringbus_bus_names(&options, &names, &count);
        if (code != RINGBUS_OK) {
            return detail::Last{code};
        }
        return std::vector<std::string>(names, names + count);
    }

private:
    ringbus_bus_options raw() const {
        ringbus_bus_options options = options_;
        options.directory = directory_ ? directory_->c_str() : nullptr;
        return options;
    }

    std::optional<std::string> name_, directory_;
    ringbus_bus_options options_ = ringbus_bus_options_init();
};

inline BusBuilder Bus::builder() { return BusBuilder(); }

} // namespace ringbus

#undef RINGBUS_COLD
#undef RINGBUS_CONTAIN_EXCEPTIONS

#endif // RINGBUS_HPP
