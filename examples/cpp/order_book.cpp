// Order-book updates from a feed to a strategy: one type in C, C++ and Rust, nothing lost.
//
//   order_book feed DIRECTORY COUNT
//   order_book strategy DIRECTORY COUNT
#define RINGBUS_THROW
#include <cstdint>
#include <iostream>
#include <string>

#include <ringbus.hpp>

using ringbus::or_throw;
using namespace std::chrono_literals;

/// The new quantity at one price of one instrument; zero removes the price.
struct BookUpdate {
    std::int64_t price_ticks;
    std::uint64_t quantity;
    std::uint32_t instrument;
    std::uint32_t is_ask;

    bool operator==(const BookUpdate &other) const {
        return price_ticks == other.price_ticks && quantity == other.quantity &&
               instrument == other.instrument && is_ask == other.is_ask;
    }
};

/// The market, made up.
static BookUpdate update_of(std::uint64_t n) {
    const auto is_ask = static_cast<std::uint32_t>(n / 4 % 2);
    const auto depth = static_cast<std::int64_t>(n * 7 % 10);
    return {is_ask ? 1001 + depth : 999 - depth, n % 5 * 100, static_cast<std::uint32_t>(n % 4),
            is_ask};
}

static void feed(const ringbus::Topic<BookUpdate> &topic, std::uint64_t count) {
    auto publisher = or_throw(topic.publisher());
    or_throw(publisher.wait_subscribers(1, 60s));
    for (std::uint64_t n = 0; n < count; ++n) {
        const auto update = update_of(n);
        // The tag lets a subscriber tell instruments apart without reading the payload.
        or_throw(publisher.publish_with({update.instrument, 0}, update, 60s));
    }
}

static void strategy(const ringbus::Topic<BookUpdate> &topic, std::uint64_t count) {
    // The feed waits rather than overwrite what is not read.
    auto subscriber =
        or_throw(topic.subscriber().reliable().start(ringbus::Start::oldest()).join());
    std::uint64_t n = 0, volume = 0;
    while (n < count) {
        if (!or_throw(subscriber.wait(60s))) {
            throw std::runtime_error("the feed went silent");
        }
        // In place: each update is where the feed wrote it.
        for (auto update : or_throw(subscriber.poll_batch(64))) {
            if (update.sequence() != n || update.tag() != update->instrument ||
                !(*update == update_of(n))) {
                throw std::runtime_error("lost or torn: " + std::to_string(n));
            }
            volume += update->quantity;
            ++n;
        }
    }
    std::cout << n << " updates, none lost, volume " << volume << '\n';
}

int main(int argc, char **argv) {
    if (argc != 4) {
        std::cerr << "usage: " << argv[0] << " feed|strategy DIRECTORY COUNT\n";
        return 2;
    }
    try {
        const auto bus = or_throw(ringbus::Bus::builder().directory(argv[2]).open());
        const auto topic = or_throw(bus.topic<BookUpdate>("market/books").open_or_create());
        const auto count = std::stoull(argv[3]);
        std::string(argv[1]) == "feed" ? feed(topic, count) : strategy(topic, count);
    } catch (const std::exception &error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
