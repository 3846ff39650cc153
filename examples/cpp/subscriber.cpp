// Prints COUNT messages, one to a line, and what it was too slow for.
//
//   subscriber DIRECTORY TOPIC COUNT
#include <iostream>
#include <string>

#include <ringbus.hpp>

int main(int argc, char **argv) {
    using namespace std::chrono_literals;
    if (argc != 4) {
        std::cerr << "usage: " << argv[0] << " DIRECTORY TOPIC COUNT\n";
        return 2;
    }
    const auto wanted = std::stoull(argv[3]);
    auto bus = ringbus::Bus::builder().directory(argv[1]).open().value();
    auto topic = bus.topic(argv[2]).open_or_create().value();
    auto subscriber = topic.subscriber().start(ringbus::Start::oldest()).join().value();
    for (unsigned long long count = 0; count < wanted;) {
        auto polled = subscriber.poll();
        if (!polled) {
            if (polled.code() != RINGBUS_LAGGED) {
                std::cerr << polled.error().message() << '\n';
                return 1;
            }
            std::cerr << "missed " << polled.error().missed() << '\n';
            count += polled.error().missed();
        } else if (const auto &message = *polled) {
            std::cout << ringbus::text_of(message->payload()) << '\n';
            ++count;
        } else if (!subscriber.wait(60s).value()) {
            std::cerr << "nothing came\n";
            return 1;
        }
    }
}
