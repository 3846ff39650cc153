// Sends each line of its input as a message.
//
//   publisher DIRECTORY TOPIC
#include <iostream>
#include <string>

#include <ringbus.hpp>

int main(int argc, char **argv) {
    if (argc != 3) {
        std::cerr << "usage: " << argv[0] << " DIRECTORY TOPIC\n";
        return 2;
    }
    // `value()` ends the program with the message where something fails.
    auto bus = ringbus::Bus::builder().directory(argv[1]).open().value();
    auto topic = bus.topic(argv[2]).open_or_create().value();
    auto publisher = topic.publisher().value();
    // Who joins later gets what is published from then on, so wait for the first.
    publisher.wait_subscribers(1).value();
    for (std::string line; std::getline(std::cin, line);) {
        publisher.publish(ringbus::bytes_of(line)).value();
    }
}
