#include <iostream>
#include <ringbus.hpp>

struct Pose {
    double x, y;
};

int main() {
    auto bus = ringbus::Bus::open("hello").value();
    auto topic = bus.topic<Pose>("robot/pose").open_or_create().value();
    auto subscriber = topic.subscriber().reliable().join().value();
    auto publisher = topic.publisher().value();

    publisher.publish({1, 2}).value();  // a copy
    auto loan = publisher.loan().value();
    loan->x = 3;  // in place
    loan->y = 4;
    loan.commit().value();

    for (auto pose : subscriber.poll_batch(64).value())
        std::cout << pose.sequence() << ": " << pose->x << ", " << pose->y << '\n';
}
