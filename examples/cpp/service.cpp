// Counts the words of texts: a server, and a client that asks one server or all of them.
//
//   service serve DIRECTORY COUNT         answers COUNT requests
//   service call DIRECTORY TEXT           prints the answer of one server
//   service gather DIRECTORY TEXT         prints those of all, and who has none
#include <iostream>
#include <sstream>
#include <string>

#include <ringbus.hpp>

using namespace std::chrono_literals;

static void serve(const ringbus::Bus &bus, unsigned long long count) {
    auto server = bus.server("words").join().value();
    while (count > 0) {
        // The request is read where its client wrote it, and stays there until it is answered.
        if (auto request = server.poll().value()) {
            std::istringstream text(std::string(ringbus::text_of(request->payload())));
            std::string word;
            std::size_t words = 0;
            while (text >> word) {
                ++words;
            }
            if (words == 0) {
                request->fail("there are no words").value();
            } else {
                request->reply(ringbus::bytes_of(std::to_string(words) + " words")).value();
            }
            --count;
        } else {
            server.wait().value();
        }
    }
}

static int call(ringbus::Client<> &client, const std::string &text) {
    const auto reply = client.call(ringbus::bytes_of(text), 10s);
    if (!reply) {
        std::cerr << "call: " << reply.error().message() << '\n';
        return 1;
    }
    std::cout << ringbus::text_of(reply.value().payload()) << '\n';
    return 0;
}

static int gather(ringbus::Client<> &client, const std::string &text) {
    for (const auto &reply : client.gather(ringbus::bytes_of(text), 10s).value()) {
        if (reply) {
            std::cout << ringbus::text_of(reply.value().payload()) << '\n';
        } else {
            std::cout << "none: " << reply.error().message() << '\n';
        }
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        std::cerr << "usage: " << argv[0] << " serve DIRECTORY COUNT | call|gather DIRECTORY TEXT\n";
        return 2;
    }
    const std::string what = argv[1];
    const auto bus = ringbus::Bus::builder().directory(argv[2]).open().value();
    if (what == "serve") {
        serve(bus, std::stoull(argv[3]));
        return 0;
    }
    auto client = bus.client("words").join();
    if (!client) { // RINGBUS_NO_SERVER: start one
        std::cerr << "client: " << client.error().message() << '\n';
        return 1;
    }
    return what == "call" ? call(*client, argv[3]) : gather(*client, argv[3]);
}
