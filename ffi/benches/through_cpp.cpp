/*
 * What a program in C++ does for a call, in C and through ringbus.hpp, side by side.
 *
 *   through_cpp CASE DIRECTORY COUNT
 *
 * CASE is the name of one of the functions below, which instructions.rs counts: each is one call and what a
 * program does with its outcome. What is not counted is done in C.
 */
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "ringbus.hpp"

namespace {

struct Quote {
    std::uint64_t fields[8];
};

constexpr std::size_t BATCH = 64;

[[noreturn]] __attribute__((noinline, cold)) void stop(const char *what) noexcept {
    std::fprintf(stderr, "%s: %s\n", what, ringbus_last_error());
    std::exit(1);
}

std::uint64_t sum;

} // namespace

#define CASE extern "C" __attribute__((noinline))

CASE void publish_in_c(ringbus_publisher *publisher, const Quote &quote) {
    std::uint64_t sequence;
    if (ringbus_publish(publisher, &quote, sizeof quote, RINGBUS_FOREVER, &sequence) != RINGBUS_OK) {
        stop("publish");
    }
    sum += sequence;
}

CASE void publish_bytes_in_cpp(ringbus::Publisher<> &publisher, const Quote &quote) {
    const ringbus::View<const std::byte> bytes(reinterpret_cast<const std::byte *>(&quote), sizeof quote);
    const auto sequence = publisher.publish(bytes);
    if (!sequence) {
        stop("publish");
    }
    sum += *sequence;
}

CASE void publish_typed_in_cpp(ringbus::Publisher<Quote> &publisher, const Quote &quote) {
    const auto sequence = publisher.publish(quote);
    if (!sequence) {
        stop("publish");
    }
    sum += *sequence;
}

CASE bool poll_in_c(ringbus_subscriber *subscriber) {
    ringbus_message message;
    switch (ringbus_subscriber_poll(subscriber, &message)) {
    case RINGBUS_OK:
        sum += message.sequence + static_cast<const Quote *>(message.payload)->fields[0];
        return true;
    case RINGBUS_EMPTY:
        return false;
    default:
        stop("poll");
    }
}

CASE bool poll_bytes_in_cpp(ringbus::Subscriber<> &subscriber) {
    const auto polled = subscriber.poll();
    if (!polled) {
        stop("poll");
    }
    const auto &message = *polled;
    if (!message) {
        return false;
    }
    sum += message->sequence() + reinterpret_cast<const Quote *>(message->payload().data())->fields[0];
    return true;
}

CASE bool poll_typed_in_cpp(ringbus::Subscriber<Quote> &subscriber) {
    const auto polled = subscriber.poll();
    if (!polled) {
        stop("poll");
    }
    const auto &message = *polled;
    if (!message) {
        return false;
    }
    sum += message->sequence() + (*message)->fields[0];
    return true;
}

CASE void publish_batch_in_c(ringbus_publisher *publisher, const std::vector<Quote> &quotes) {
    static ringbus_outgoing outgoing[BATCH];
    std::size_t count = 0;
    for (const auto &quote : quotes) {
        ringbus_outgoing message{};
        message.payload = &quote;
        message.payload_len_bytes = sizeof quote;
        outgoing[count++] = message;
    }
    if (ringbus_publish_batch(publisher, outgoing, count, RINGBUS_FOREVER, &count) != RINGBUS_OK) {
        stop("publish");
    }
    sum += count;
}

CASE void publish_batch_in_cpp(ringbus::Publisher<Quote> &publisher, const std::vector<Quote> &quotes) {
    const auto count = publisher.publish_batch(quotes);
    if (!count) {
        stop("publish");
    }
    sum += *count;
}

CASE bool poll_batch_in_c(ringbus_subscriber *subscriber) {
    static ringbus_message messages[BATCH];
    std::size_t count;
    switch (ringbus_subscriber_poll_batch(subscriber, messages, BATCH, &count)) {
    case RINGBUS_OK:
        break;
    case RINGBUS_EMPTY:
        return false;
    default:
        stop("poll");
    }
    for (std::size_t n = 0; n < count; ++n) {
        sum += messages[n].sequence + static_cast<const Quote *>(messages[n].payload)->fields[0];
    }
    return ringbus_subscriber_release(subscriber) == RINGBUS_OK;
}

CASE bool poll_batch_in_cpp(ringbus::Subscriber<Quote> &subscriber) {
    const auto quotes = subscriber.poll_batch(BATCH);
    if (!quotes) {
        stop("poll");
    }
    if (quotes->empty()) {
        return false;
    }
    for (const auto &quote : *quotes) {
        sum += quote.sequence() + quote->fields[0];
    }
    return true;
}

int main(int argc, char **argv) {
    if (argc < 4) {
        return 2;
    }
    const std::string asked = argv[1];
    const auto count = std::strtoull(argv[3], nullptr, 10);
    const auto bus = ringbus::Bus::builder().directory(argv[2]).name("bench").open().value();
    const auto typed = bus.topic<Quote>("quotes").open_or_create().value();
    const auto bytes = bus.topic("quotes").open().value();
    const std::vector<Quote> quotes(BATCH);
    // Readers first: each case has the handles that it uses, and no others.
    auto publish = [&](auto one, std::size_t each) {
        for (std::uint64_t n = 0; n < count; n += each) {
            one();
        }
    };
    if (asked == "publish_in_c") {
        auto publisher = typed.publisher().value();
        publish([&] { publish_in_c(publisher.raw(), quotes[0]); }, 1);
    } else if (asked == "publish_bytes_in_cpp") {
        auto publisher = bytes.publisher().value();
        publish([&] { publish_bytes_in_cpp(publisher, quotes[0]); }, 1);
    } else if (asked == "publish_typed_in_cpp") {
        auto publisher = typed.publisher().value();
        publish([&] { publish_typed_in_cpp(publisher, quotes[0]); }, 1);
    } else if (asked == "publish_batch_in_c") {
        auto publisher = typed.publisher().value();
        publish([&] { publish_batch_in_c(publisher.raw(), quotes); }, BATCH);
    } else if (asked == "publish_batch_in_cpp") {
        auto publisher = typed.publisher().value();
        publish([&] { publish_batch_in_cpp(publisher, quotes); }, BATCH);
    } else {
        auto publisher = typed.publisher().value();
        auto reader = typed.subscriber().reliable().join().value();
        auto reader_of_bytes = bytes.subscriber().reliable().join().value();
        auto poll = [&](auto one, ringbus_subscriber *other) {
            for (std::uint64_t n = 0; n < count; n += BATCH) {
                publish_batch_in_c(publisher.raw(), quotes);
                while (one()) {
                }
                ringbus_subscriber_seek(other, ringbus_start_at(RINGBUS_START_LATEST, 0));
            }
        };
        if (asked == "poll_in_c") {
            poll([&] { return poll_in_c(reader.raw()); }, reader_of_bytes.raw());
        } else if (asked == "poll_bytes_in_cpp") {
            poll([&] { return poll_bytes_in_cpp(reader_of_bytes); }, reader.raw());
        } else if (asked == "poll_typed_in_cpp") {
            poll([&] { return poll_typed_in_cpp(reader); }, reader_of_bytes.raw());
        } else if (asked == "poll_batch_in_c") {
            poll([&] { return poll_batch_in_c(reader.raw()); }, reader_of_bytes.raw());
        } else if (asked == "poll_batch_in_cpp") {
            poll([&] { return poll_batch_in_cpp(reader); }, reader_of_bytes.raw());
        } else {
            return 2;
        }
    }
    std::printf("%llu\n", static_cast<unsigned long long>(sum));
    return 0;
}
