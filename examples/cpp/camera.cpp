// Camera frames of 8 MiB, drawn and viewed in place: not one byte of them is copied.
//
//   camera shoot DIRECTORY COUNT
//   camera view DIRECTORY COUNT
#include <algorithm>
#include <iostream>
#include <string>

#include <ringbus.hpp>

using namespace std::chrono_literals;

static constexpr std::size_t frame_bytes = std::size_t{8} << 20;

static std::byte shade(std::uint64_t n) { return static_cast<std::byte>(n * 10); }

static void shoot(const ringbus::Topic<> &topic, std::uint64_t count) {
    auto publisher = topic.publisher().value();
    publisher.wait_subscribers(1, 60s).value();
    for (std::uint64_t n = 0; n < count; ++n) {
        auto frame = publisher.loan(frame_bytes, 60s).value();
        const auto pixels = frame.payload(); // where the viewer will look
        std::fill(pixels.begin(), pixels.end(), shade(n));
        frame.commit().value();
    }
}

static int view(const ringbus::Topic<> &topic, std::uint64_t count) {
    auto subscriber = topic.subscriber().reliable().start(ringbus::Start::oldest()).join().value();
    for (std::uint64_t n = 0; n < count; ++n) {
        if (!subscriber.wait(60s).value()) {
            std::cerr << "the camera went dark before frame " << n << '\n';
            return 1;
        }
        const auto frame = subscriber.poll().value();
        const auto pixels = frame->payload();
        const auto is_whole = [n](std::byte pixel) { return pixel == shade(n); };
        if (pixels.size() != frame_bytes || !std::all_of(pixels.begin(), pixels.end(), is_whole)) {
            std::cerr << "frame " << n << " is torn\n";
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        std::cerr << "usage: " << argv[0] << " shoot|view DIRECTORY COUNT\n";
        return 2;
    }
    const auto bus = ringbus::Bus::builder().directory(argv[2]).open().value();
    const auto topic = bus.topic("camera/front")
                           .payload_fixed(frame_bytes)
                           .alignment(4096)
                           .capacity(2)
                           .max_subscribers(1)
                           .open_or_create()
                           .value();
    const auto count = std::stoull(argv[3]);
    if (std::string(argv[1]) == "shoot") {
        shoot(topic, count);
        return 0;
    }
    return view(topic, count);
}
