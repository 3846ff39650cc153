// What handlers throw ends with them: it does not cross the border, is counted, and is told.
//
//   exceptions DIRECTORY
//
// Exits 0 only if everything held; says on stderr what did not.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define RINGBUS_THROW
#include <ringbus.hpp>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                   \
            std::exit(1);                                                                          \
        }                                                                                          \
    } while (0)

using namespace std::chrono_literals;

// Says when it is destroyed, as what a stack holds must be when an exception passes.
struct Guard {
    std::atomic<int> &count;
    ~Guard() { ++count; }
};

static void check_throwing(const ringbus::Bus &bus, std::uint32_t threads) {
    constexpr std::uint64_t count = 400;
    std::atomic<int> unwound{0}, handled{0};
    std::vector<std::string> told;
    auto builder = bus.dispatcher();
    const std::string long_words(2000, 'w');
    builder.reliable()
        .on("throwing/*",
            [&](const ringbus::HandledMessage &message) {
                const Guard guard{unwound};
                switch (message.sequence() % 4) {
                case 0:
                    throw std::runtime_error("a runtime error");
                case 1:
                    throw 7;
                case 2:
                    throw ringbus::Exception(ringbus::Error::of(RINGBUS_OTHER, long_words));
                default:
                    ++handled;
                }
            })
        .on("throwing/*", std::function<void(const ringbus::MultiMessage &)>(
                              [&](const ringbus::MultiMessage &) { ++handled; }))
        .on_trouble([&](const ringbus::Trouble &trouble) {
            CHECK(trouble.kind() == RINGBUS_TROUBLE_THREW && trouble.topic() == "throwing/a");
            told.emplace_back(trouble.words());
            if (told.size() == 1) {
                throw std::logic_error("even here");
            }
        });
    auto topic = bus.topic("throwing/a").capacity(64).create().value();
    auto dispatcher = threads > 0 ? builder.spawn(threads).value() : builder.join().value();
    auto publisher = topic.publisher().value();
    std::thread running;
    if (threads == 0) {
        running = std::thread([&] {
            while (dispatcher.run_for(1h).value()) {
            }
        });
    }
    for (std::uint64_t n = 0; n < count; ++n) {
        ringbus::or_throw(publisher.publish(ringbus::bytes_of("x"), 10s));
    }
    const auto done = dispatcher.stop().value();
    if (running.joinable()) {
        running.join();
    }
    CHECK(done.messages == count && done.missed == 0 && done.failed == 0);
    CHECK(done.handled == count / 4 + count && handled == static_cast<int>(done.handled));
    // And one more, in telling of them.
    CHECK(done.threw == count / 4 * 3 + 1 && told.size() == count / 4 * 3);
    CHECK(unwound == static_cast<int>(count));
    CHECK(told[0] == "a runtime error" && told[1] == "an exception that is no std::exception");
    CHECK(told[2].size() == 511 && long_words.rfind(told[2], 0) == 0);
    bus.remove("throwing/a", true).value();
}

// A handler that destroys its dispatcher stops the program, rather than pull the ground from under itself.
static void check_suicide(const char *directory) {
    const pid_t child = fork();
    if (child == 0) {
        std::freopen("/dev/null", "w", stderr);
        const auto bus = ringbus::Bus::builder().directory(directory).open().value();
        std::unique_ptr<ringbus::Dispatcher> dispatcher;
        auto opened = bus.dispatcher().on("suicide", [&](const auto &) { dispatcher.reset(); }).join();
        dispatcher = std::make_unique<ringbus::Dispatcher>(std::move(opened).value());
        auto publisher = bus.topic("suicide").create().value().publisher().value();
        publisher.publish({}).value();
        dispatcher->drain().value();
        std::_Exit(0);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        return 2;
    }
    check_suicide(argv[1]);
    {
        const auto bus = ringbus::Bus::builder().directory(argv[1]).open().value();
        check_throwing(bus, 0);
        check_throwing(bus, 1);
        check_throwing(bus, 3);
        try {
            ringbus::or_throw(bus.client("nobody").join());
            CHECK(false);
        } catch (const ringbus::Exception &exception) {
            CHECK(exception.code() == RINGBUS_NO_SERVER);
        }
    }
    CHECK(ringbus_open_handles() == 0);
    return 0;
}
