// Uses every class of ringbus.hpp as a program would, without exceptions.
//
//   objects DIRECTORY
//
// Exits 0 only if everything held; says on stderr what did not.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <ringbus.hpp>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                   \
            std::exit(1);                                                                          \
        }                                                                                          \
    } while (0)

namespace robot {
struct Pose {
    double x, y;
};
} // namespace robot

using namespace std::chrono_literals;
using ringbus::Start;
using robot::Pose;

static_assert(!std::is_copy_constructible_v<ringbus::Bus>);
static_assert(!std::is_copy_constructible_v<ringbus::Publisher<Pose>>);
static_assert(!std::is_copy_constructible_v<ringbus::Loan<Pose>>);
static_assert(std::is_nothrow_move_constructible_v<ringbus::Subscriber<Pose>>);
static_assert(std::is_nothrow_move_constructible_v<ringbus::Loan<Pose>>);
static_assert(std::is_nothrow_move_constructible_v<ringbus::Request<Pose, Pose>>);
static_assert(!std::is_copy_constructible_v<ringbus::Request<>>);
static_assert(std::is_nothrow_move_assignable_v<ringbus::Subscriber<Pose>>);
static_assert(std::is_nothrow_move_assignable_v<ringbus::Loan<Pose>>);
static_assert(std::is_nothrow_move_assignable_v<ringbus::LoanRun<Pose>>);
static_assert(std::is_nothrow_move_assignable_v<ringbus::Request<>>);
static_assert(!std::is_move_assignable_v<ringbus::Batch<Pose>>);
static_assert(std::is_nothrow_move_constructible_v<ringbus::Result<ringbus::Batch<Pose>>>);
static_assert(!std::is_copy_constructible_v<ringbus::Result<ringbus::Batch<Pose>>>);
// What `if (subscriber.wait(1ms))` would ask is not what it seems to.
static_assert(std::is_constructible_v<bool, ringbus::Result<int>>);
static_assert(!std::is_constructible_v<bool, ringbus::Result<bool>>);
// What is about to go may be read, not written.
static_assert(std::is_constructible_v<ringbus::View<const Pose>, std::vector<Pose>>);
static_assert(!std::is_constructible_v<ringbus::View<Pose>, std::vector<Pose>>);
static_assert(std::is_constructible_v<ringbus::View<Pose>, std::vector<Pose> &>);
static_assert(!std::is_constructible_v<ringbus::View<Pose>, const std::vector<Pose> &>);

static void check_results() {
    using ringbus::Result;
    const Result<std::string> text(std::string("text"));
    CHECK(text && *text == "text" && text->size() == 4 && text.code() == RINGBUS_OK);
    CHECK(text.value_or("other") == "text");
    Result<std::string> failed(ringbus::Error::of(RINGBUS_FULL, "it is full"));
    CHECK(!failed && failed.code() == RINGBUS_FULL && failed.value_or("other") == "other");
    const auto copy = failed;
    const auto moved = std::move(failed);
    CHECK(!copy && copy.error().message() == "it is full");
    CHECK(!moved && moved.error().message() == "it is full");
    // One that was moved from has failed no less.
    CHECK(!failed && failed.code() == RINGBUS_FULL);
    failed = text;
    CHECK(failed && *failed == "text");
    Result<void> done;
    CHECK(done && done.code() == RINGBUS_OK);
    done = moved.error();
    CHECK(!done && done.error().code() == RINGBUS_FULL);
}

static void check_types(const ringbus::Bus &bus) {
    CHECK(ringbus::TypeName<Pose>::value() == "Pose");
    CHECK(ringbus::TypeName<std::uint64_t>::value() == "u64");
    CHECK(ringbus::TypeName<std::int8_t>::value() == "i8");
    CHECK(ringbus::TypeName<float>::value() == "f32");
    auto topic = bus.topic<Pose>("pose").create().value();
    const auto *info = topic.info().value();
    CHECK(std::string(info->type_name) == "Pose" && info->payload_fixed);
    CHECK(info->type_size_bytes == sizeof(Pose) && info->payload_max_bytes == sizeof(Pose));
    CHECK(bus.topic<double>("pose").open().code() == RINGBUS_MISMATCH);
    CHECK(bus.topic<Pose[]>("pose").open().code() == RINGBUS_MISMATCH);
    CHECK(bus.topic("pose").open().has_value());
    CHECK(!topic.is_removed().value());
    bus.remove("pose").value();
    CHECK(topic.is_removed().value());
}

static void check_waiting(const ringbus::Bus &bus) {
    auto quiet = bus.topic<Pose>("quiet").open_or_create().value();
    auto busy = bus.topic<Pose>("busy").open_or_create().value();
    auto first = quiet.subscriber().join().value();
    auto second = busy.subscriber().join().value();
    auto publisher = busy.publisher().value();
    auto set = bus.wait_set().value();
    set.add(first, 7).value();
    set.add(second, 8).value();
    CHECK(set.add(second, 9).code() == RINGBUS_IN_USE);
    CHECK(set.wait(0s).value().size() == 0);
    publisher.publish(Pose{1, 2}).value();
    const auto ready = set.wait(10s).value();
    CHECK(ready.size() == 1 && ready[0] == 8);
    CHECK(second.poll().value()->payload().y == 2);
    CHECK(set.wait(0s).value().size() == 0);
#ifdef __linux__
    CHECK(set.fd().value() >= 0);
#endif
    set.interrupt().value();
    CHECK(set.wait(10s).value().size() == 0);
    set.remove(8).value();
    CHECK(set.remove(8).code() == RINGBUS_NOT_FOUND);
    publisher.publish(Pose{3, 4}).value();
    CHECK(set.wait(0s).value().size() == 0);
}

static void check_values(const ringbus::Bus &bus) {
    auto topic = bus.topic<Pose>("values").capacity(8).open_or_create().value();
    auto subscriber = topic.subscriber().reliable().spin(0s).join().value();
    auto publisher = topic.publisher().value();
    CHECK(!topic.publisher());
    CHECK(topic.publisher().code() == RINGBUS_PUBLISHER_EXISTS);
    CHECK(!topic.publisher().error().message().empty());
    CHECK(!subscriber.poll().value());
    CHECK(!subscriber.wait(1ms).value());
    CHECK(publisher.wait_subscribers(1, 0s).value());

    CHECK(publisher.publish({1, 2}).value() == 0);
    CHECK(publisher.publish_with({7, 9}, {3, 4}).value() == 1);
    const std::vector<Pose> more{{5, 6}, {7, 8}};
    CHECK(publisher.publish_batch(more).value() == 2);
    {
        auto loan = publisher.loan().value();
        loan->x = 9;
        loan.payload().y = 10;
        loan.set_tag(11);
        CHECK(loan.commit().value() == 4);
        CHECK(loan.commit().code() == RINGBUS_NO_LOAN);
    }
    {
        auto given_up = publisher.loan().value();
        given_up->x = 99;
        auto moved = std::move(given_up);
        CHECK(publisher.try_publish({0, 0}).code() == RINGBUS_LOAN_OUTSTANDING);
    }
    const auto first = subscriber.poll().value();
    CHECK(first && first->sequence() == 0 && (**first).x == 1 && (*first)->y == 2);
    CHECK(first->publisher() == std::uint16_t{0} && first->time() == 0ns);
    double sum = 0;
    std::uint64_t next = 1;
    for (auto pose : subscriber.poll_batch(64).value()) {
        CHECK(pose.sequence() == next++);
        sum += pose->x + pose->y;
    }
    CHECK(next == 5 && sum == 3 + 4 + 5 + 6 + 7 + 8 + 9 + 10);
    CHECK(subscriber.poll_batch(64).value().empty());
    subscriber.seek(Start::sequence(1)).value();
    {
        const auto batch = subscriber.poll_batch(1).value();
        CHECK(batch.size() == 1 && batch[0].tag() == 7 && batch[0].flags() == 9);
        CHECK(batch.data() == &batch[0] && batch.begin() + 1 == batch.end());
        const ringbus::View<const ringbus::Message<Pose>> view = batch;
        CHECK(view.front()->x == 3);
    }
    CHECK(subscriber.cursor().value() == 2 && subscriber.lag().value() == 3);
    CHECK(subscriber.latest().value()->sequence() == 4);
    CHECK(subscriber.seek(Start::sequence(99)).code() == RINGBUS_NOT_YET);
    CHECK(publisher.published().value() == 5 && publisher.id().value() == 0);

    // What is full says who it waits for; nothing is lost that can be had.
    subscriber.release().value();
    while (publisher.try_publish({0, 0})) {
    }
    const auto full = publisher.try_publish({0, 0});
    CHECK(full.code() == RINGBUS_FULL && full.error().facts().behind == 8);
    CHECK(publisher.publish({0, 0}, 1ms).code() == RINGBUS_FULL);
}

static void check_slices(const ringbus::Bus &bus) {
    auto topic = bus.topic<Pose[]>("slices").payload_max(64).shared().create().value();
    auto subscriber = topic.subscriber().join().value();
    auto publisher = topic.publisher().value();
    const Pose poses[] = {{1, 2}, {3, 4}, {5, 6}};
    publisher.publish(poses).value();
    publisher.publish(std::vector<Pose>(2)).value();
    publisher.publish({}).value();
    CHECK(publisher.publish(std::vector<Pose>(5)).code() == RINGBUS_TOO_LONG);
    auto loan = publisher.loan(4).value();
    auto second = publisher.loan(1).value();
    loan.payload()[0] = {7, 8};
    loan.truncate(1);
    CHECK(loan.commit(1s).value() == 3);
    CHECK((**subscriber.poll().value()).size() == 3);
    CHECK((**subscriber.poll().value()).size() == 2);
    CHECK((**subscriber.poll().value()).empty());
    const auto last = subscriber.poll().value();
    CHECK(last->payload().size() == 1 && last->payload().front().y == 8);
    CHECK(publisher.loan_run(1, 1).code() == RINGBUS_NO_RUNS);

    // Of several loans, one that another takes the place of never was.
    std::vector<ringbus::Loan<Pose[]>> loans;
    loans.push_back(publisher.loan(1).value());
    loans.push_back(std::move(second));
    loans.erase(loans.begin());
    loans[0].payload()[0] = {9, 10};
    loans[0] = std::move(loans[0]);
    CHECK(loans[0].commit().value() == 4);
    CHECK((**subscriber.poll().value()).front().y == 10);
    CHECK(publisher.loan(1) && publisher.loan(1));
}

// Places of a batch are used again, and hold nothing of what was there before.
static void check_batches(const ringbus::Bus &bus) {
    auto topic = bus.topic<Pose>("batches").capacity(512).attributes_max(64).create().value();
    auto subscriber = topic.subscriber().reliable().join().value();
    auto publisher = topic.publisher().value();
    const ringbus::Attribute lot[] = {{"lot", 7}};
    const std::vector<std::pair<ringbus::Meta, Pose>> tagged{{{1, 2, lot}, {3, 4}}, {{5, 6, lot}, {7, 8}}};
    CHECK(publisher.publish_batch_with(tagged).value() == 2);
    std::vector<Pose> poses;
    for (int n = 0; n < 200; ++n) {
        poses.push_back({static_cast<double>(n), 0});
    }
    CHECK(publisher.publish_batch(poses).value() == 200);
    CHECK(publisher.publish_batch(std::vector<Pose>()).value() == 0);
    CHECK(subscriber.poll_batch(2).value()[1].tag() == 5);
    std::size_t n = 0;
    for (const auto &pose : subscriber.poll_batch(512).value()) {
        CHECK(pose->x == static_cast<double>(n) && pose.tag() == 0 && pose.flags() == 0);
        CHECK(subscriber.attributes(pose.sequence()).value().empty());
        ++n;
    }
    CHECK(n == 200);
}

static void check_bytes(const ringbus::Bus &bus) {
    auto topic = bus.topic("bytes").capacity(8).time(RINGBUS_TIME_CLOCK).create().value();
    auto observer = topic.observer().value();
    auto publisher = topic.publisher().value();
    publisher.publish(ringbus::bytes_of("hello")).value();
    CHECK(observer.wait(1s).value() && observer.lag().value() == 1);
    const auto copy = observer.poll().value();
    CHECK(ringbus::text_of(copy->payload()) == "hello");
    CHECK(copy->time() > 0ns && observer.time(0).value() == copy->time());
    const auto long_ago = Start::time(ringbus::now() - 24h * 36500);
    CHECK(topic.subscriber().start(long_ago).join().value().poll().value()->sequence() == 0);
    auto run = publisher.loan_run(2, 3).value();
    for (std::size_t n = 0; n < run.size(); ++n) {
        for (auto &byte : run.message(n).value()) {
            byte = static_cast<std::byte>(n);
        }
    }
    run.set_tag(5);
    CHECK(run.commit().value() == 1);
    CHECK(observer.latest().value()->tag() == 5);

    // A lossy subscriber is told how much it missed, and goes on.
    auto filter = ringbus::Filter().tags({1, 3}).flags_mask(1, 1);
    auto lossy = topic.subscriber().join().value();
    auto choosy = topic.subscriber().filter(filter).join().value();
    for (std::uint16_t n = 0; n < 20; ++n) {
        publisher.publish_with({n % std::uint64_t{4}, n}, ringbus::bytes_of("x")).value();
    }
    const auto lagged = lossy.poll();
    CHECK(lagged.code() == RINGBUS_LAGGED && lagged.error().missed() >= 12);
    CHECK(lossy.lagged().value() == lagged.error().missed());
    CHECK(lossy.poll().value());
    CHECK(choosy.poll().code() == RINGBUS_LAGGED);
    CHECK(choosy.poll().value()->tag() % 2 == 1);
    CHECK(choosy.skipped().value() > 0);
}

static void check_attributes(const ringbus::Bus &bus) {
    auto topic = bus.topic("attributes").attributes_max(256).create().value();
    CHECK(topic.info().value()->attributes_max_bytes == 256);
    const auto policy = R"({"venue": [{"prefix": "XN"}], "price": [{"numeric": [">", 100]}]})";
    auto subscriber = topic.subscriber().join().value();
    auto chosen = topic.subscriber().filter(ringbus::Filter().policy(policy)).join().value();
    auto none = topic.subscriber().filter(ringbus::Filter().tags({})).join().value();
    auto sampled = topic.subscriber().filter(ringbus::Filter().every(2)).join().value();
    auto observer = topic.observer().value();
    auto publisher = topic.publisher().value();

    const auto bytes = ringbus::bytes_of("raw");
    const ringbus::Attribute order[] = {
        {"venue", "XNYS"}, {"raw", bytes}, {"lot", -100}, {"price", 101.25}, {"urgent", true}};
    publisher.publish_with({7, 8, order}, ringbus::bytes_of("buy")).value();
    const auto message = subscriber.poll().value();
    CHECK(message->tag() == 7 && message->flags() == 8);
    const auto found = subscriber.attributes(0).value();
    CHECK(found.size() == 5 && found[0].key() == "venue" && found[0].text() == "XNYS");
    CHECK(found[1].bytes() && ringbus::text_of(*found[1].bytes()) == "raw" && !found[1].text());
    CHECK(found[2].integer() == -100 && found[2].number() == -100.0 && !found[2].boolean());
    CHECK(found[3].number() == 101.25 && !found[3].integer());
    CHECK(found[4].boolean() == true && found[4].kind() == RINGBUS_ATTRIBUTE_BOOL);
    CHECK(subscriber.attribute(0, "lot").value()->integer() == -100);
    CHECK(!subscriber.attribute(0, "lots").value());
    CHECK(subscriber.attribute(1, "lot").code() == RINGBUS_NO_MESSAGE);
    CHECK(subscriber.attributes(1).code() == RINGBUS_NO_MESSAGE);
    CHECK(observer.poll().value() && observer.attribute(0, "price").value()->number() == 101.25);
    CHECK(observer.attributes(0).value().size() == 5);

    // What was read is sent on as it is; more than a handful are read as well.
    const std::string keys = "abcdefghij";
    std::vector<ringbus::Attribute> many;
    for (std::size_t n = 0; n < keys.size(); ++n) {
        many.emplace_back(std::string_view(keys).substr(n, 1), n % 2 == 0);
    }
    const std::vector<std::pair<ringbus::Meta, ringbus::View<const std::byte>>> batch = {
        {{}, bytes}, {{1, 2, found}, bytes}, {{3, 4, many}, bytes}};
    CHECK(publisher.publish_batch_with(batch).value() == 3);
    for (const auto taken : subscriber.poll_batch(8).value()) {
        const std::size_t counts[] = {5, 0, 5, 10};
        CHECK(subscriber.attributes(taken.sequence()).value().size() == counts[taken.sequence()]);
    }
    auto loan = publisher.loan(3).value();
    loan.set_attributes(order).value();
    CHECK(loan.set_attributes(std::vector<ringbus::Attribute>{{"", 1}}).code() ==
          RINGBUS_INVALID_ARGUMENT);
    CHECK(loan.commit().value() == 4);
    for (const std::uint64_t sequence : {0, 2, 4}) {
        CHECK(chosen.poll().value()->sequence() == sequence);
        CHECK(sampled.poll().value()->sequence() == sequence);
    }
    CHECK(!chosen.poll().value() && !none.poll().value());

    const std::string text(300, 'x');
    const ringbus::Attribute too_long[] = {{"text", text}};
    CHECK(publisher.publish_with({0, 0, too_long}, bytes).code() == RINGBUS_ATTRIBUTES_TOO_LONG);
    CHECK(ringbus::policy_matches(policy, order).value());
    CHECK(!ringbus::policy_matches(policy).value());
    const auto refused = topic.subscriber().filter(ringbus::Filter().policy("{\n\"a\": 1}")).join();
    CHECK(refused.code() == RINGBUS_INVALID_ARGUMENT && refused.error().facts().line == 2);
    CHECK(refused.error().message().rfind("policy, line 2 column ", 0) == 0);
    CHECK(ringbus::pattern_matches("*/pose", "robot/pose").value());
    CHECK(ringbus::pattern_matches("a/b*", "a").code() == RINGBUS_INVALID_ARGUMENT);
    CHECK(ringbus::now() > 0ns && ringbus::now() >= ringbus::now() - 1s);
}

static void check_many(const ringbus::Bus &bus) {
    auto one = bus.topic<Pose>("many/one").capacity(8).create().value();
    auto two = bus.topic<Pose>("many/two").time(RINGBUS_TIME_CLOCK).attributes_max(64).create().value();
    auto first = one.publisher().value();
    auto second = two.publisher().value();
    auto asked = std::make_unique<int>(0);
    int &count = *asked;
    auto all = bus.subscribe_pattern("many/*").also("many/two").spin(0s).join().value();
    auto wants = [asked = std::move(asked)](ringbus::View<const std::byte> bytes) {
        return ++*asked, bytes.size() == sizeof(Pose);
    };
    auto tested = bus.subscribe_pattern("many/>")
                      .by_time()
                      .reliable()
                      .stall_timeout(1h)
                      .filter(ringbus::Filter().tags({0}))
                      .filter_payload(std::move(wants))
                      .join()
                      .value();
    CHECK(!all.poll().value() && !all.wait(1ms).value());
    first.publish({1, 2}).value();
    second.publish_with({0, 0, std::vector<ringbus::Attribute>{{"lot", 7}}}, {3, 4}).value();
    CHECK(all.wait(10s).value());
    double sum = 0;
    for (int n = 0; n < 2; ++n) {
        const auto message = all.poll().value();
        CHECK(message && message->sequence() == 0 && !message->as<char>());
        const bool is_second = message->topic() == "many/two";
        CHECK(message->patterns().size() == (is_second ? 2u : 1u) && message->patterns()[0] == 0);
        CHECK(all.attributes().value().size() == (is_second ? 1u : 0u));
        CHECK(all.attribute("lot").value().has_value() == is_second);
        sum += message->as<Pose>()->x;
    }
    CHECK(sum == 4 && !all.poll().value());
    CHECK(all.attributes().code() == RINGBUS_NO_MESSAGE);
    CHECK(tested.poll().value() && tested.poll().value() && count == 2);
    tested.release().value();
    for (int n = 0; n < 20; ++n) {
        first.publish({0, 0}, 1ms).value_or(0);
        CHECK(tested.poll().value());
    }
    const auto lagged = all.poll();
    CHECK(lagged.code() == RINGBUS_LAGGED && lagged.error().topic() == "many/one");
    CHECK(lagged.error().missed() == all.lagged().value() && all.lagged().value() >= 12);
    const auto topics = all.topics().value();
    CHECK(topics.size() == 2 && topics[0].name == "many/one" && topics[0].cursor >= 12);
    CHECK(topics[0].cursor + topics[0].lag == 21 && topics[1].lag == 0);
    CHECK(bus.subscribe_pattern("many/>/x").join().code() == RINGBUS_INVALID_ARGUMENT);
    CHECK(ringbus::Error::last(RINGBUS_OTHER).topic().empty());
}

static void check_blackboard(const ringbus::Bus &bus) {
    auto topic = bus.topic<Pose>("blackboard").capacity(4).create().value();
    auto observer = topic.observer().value();
    CHECK(!observer.current().value());
    auto publisher = topic.publisher().value();
    for (double n = 0; n < 10; ++n) {
        publisher.publish({n, -n}).value();
    }
    CHECK(observer.current().value()->payload().x == 9);
    CHECK(topic.observer().value().current().value()->payload().y == -9);
    CHECK(observer.changed_since(8).value()->sequence() == 9);
    CHECK(!observer.changed_since(9).value());
    CHECK(observer.cursor().value() == 0);
}

static void check_dispatcher(const ringbus::Bus &bus) {
    auto topic = bus.topic<Pose>("handled/one").attributes_max(64).create().value();
    auto publisher = topic.publisher().value();
    double sum = 0;
    std::vector<std::string> told;
    auto owned = std::make_shared<int>(0);
    auto dispatcher = bus.dispatcher()
                          .on("handled/*",
                              [&sum](const ringbus::HandledMessage &message) {
                                  sum += message.as<Pose>()->x;
                                  const auto lot = message.attribute("lot").value();
                                  sum += lot ? static_cast<double>(*lot->integer()) : 0;
                                  CHECK(message.attributes().value().size() == (lot ? 1u : 0u));
                                  CHECK(message.topic() == "handled/one");
                              })
                          .on("handled/one",
                              [owned, &topic](const auto &message) -> ringbus::Result<void> {
                                  ++*owned;
                                  if (message.sequence() == 1) {
                                      return topic.publisher().error();
                                  }
                                  return {};
                              })
                          .on_trouble([&told](const ringbus::Trouble &trouble) {
                              CHECK(trouble.kind() == RINGBUS_TROUBLE_FAILED && trouble.sequence() == 1);
                              CHECK(trouble.topic() == "handled/one" && trouble.code() == RINGBUS_OK);
                              told.emplace_back(trouble.words());
                          })
                          .join()
                          .value();
    publisher.publish({1, 2}).value();
    publisher.publish_with({0, 0, std::vector<ringbus::Attribute>{{"lot", 7}}}, {3, 4}).value();
    CHECK(dispatcher.drain().value() == 2 && sum == 11 && *owned == 2 && owned.use_count() == 2);
    CHECK(told.size() == 1 && told[0].find("publisher") != std::string::npos);
    CHECK(dispatcher.run_for(0s).value() && dispatcher.dispatched().value().failed == 1);
    CHECK(dispatcher.stop().value().handled == 3 && !dispatcher.run_for(0s).value());
    auto moved = std::move(dispatcher);
    moved = bus.dispatcher().on("none", [](const auto &) {}).spawn(1).value();
    CHECK(owned.use_count() == 1);
    CHECK(moved.drain().code() == RINGBUS_INVALID_ARGUMENT);
    CHECK(bus.dispatcher().join().code() == RINGBUS_INVALID_ARGUMENT);
}

static void check_calls(const ringbus::Bus &bus) {
    CHECK(bus.client("mean").join().code() == RINGBUS_NO_SERVER);
    auto server = bus.server<double[], double>("mean")
                      .capacity(16)
                      .request_max(64)
                      .stall_timeout(1h)
                      .join()
                      .value();
    auto client = bus.client<double[], double>("mean").reliable().spin(0s).join().value();
    CHECK((bus.client<double, double>("mean").join().code() == RINGBUS_MISMATCH));
    CHECK((bus.server<double[], float>("mean").join().code() == RINGBUS_MISMATCH));
    CHECK(client.servers().value() == 1 && !server.wait(1ms).value() && !server.poll().value());

    // Several at a time, answered in any order, in parts, and not at all.
    const auto one = client.send(std::vector<double>{1, 3}).value();
    const auto two = client.send(std::vector<double>{5}).value();
    const auto three = client.send({}).value();
    const auto four = client.send({}).value();
    CHECK(client.next(one, 0s).code() == RINGBUS_TIMEOUT);
    CHECK(server.wait(10s).value());
    {
        auto first = server.poll().value();
        CHECK((**first).size() == 2);
        auto kept = std::move(*first);
        auto second = server.poll().value();
        CHECK(second->payload()[0] == 5);
        second->send(4).value();
        second->reply(5).value();
        CHECK(second->reply(5).code() == RINGBUS_NO_REQUEST);
        kept.reply(2).value();
        CHECK(server.poll().value()->fail("no numbers"));
        server.poll().value(); // and dropped
    }
    CHECK(**client.next(one, 10s).value() == 2 && !client.next(one, 10s).value());
    CHECK(client.next(one, 0s).code() == RINGBUS_NO_CALL);
    CHECK(**client.next(two, 10s).value() == 4 && **client.next(two, 10s).value() == 5);
    const auto failed = client.next(three, 10s);
    CHECK(failed.code() == RINGBUS_SERVER_FAILED);
    CHECK(failed.error().message().find("no numbers") != std::string::npos);
    CHECK(failed.error().facts().server == server.id().value());
    CHECK(client.next(four, 10s).error().message().find("dropped") != std::string::npos);
    client.cancel(two).value();
    CHECK(client.cancel(two).code() == RINGBUS_NO_CALL);

    // Kept, and answered in the order in which they are taken out.
    std::vector<ringbus::Request<double[], double>> requests;
    const ringbus::Call calls[] = {client.send({}).value(), client.send({}).value()};
    for (int n = 0; n < 2; ++n) {
        requests.push_back(std::move(*server.poll().value()));
    }
    requests.erase(requests.begin());
    requests[0].reply(8).value();
    CHECK(client.next(calls[0], 10s).code() == RINGBUS_SERVER_FAILED);
    CHECK(**client.next(calls[1], 10s).value() == 8);
    CHECK(!client.next(calls[1], 10s).value());

    // Asked at once, by threads: one, and all of several.
    auto other = bus.server<double[], double>("mean").join().value();
    std::thread serving([&] {
        for (auto *each : {&server, &other}) {
            CHECK(each->wait(10s).value());
            each->poll().value()->reply(each->id().value()).value();
        }
    });
    const auto answers = client.gather({}, 10s).value();
    serving.join();
    CHECK(answers.size() == 2);
    for (const auto &answer : answers) {
        CHECK(answer && answer.value().payload() == answer.value().server());
    }
    const auto nobody = client.gather({}, 1ms).value();
    CHECK(nobody.size() == 2 && nobody[0].code() == RINGBUS_TIMEOUT);
    CHECK(!nobody[1].error().message().empty());
    CHECK(client.call({}, 1ms).code() == RINGBUS_TIMEOUT);
    std::thread echoing([](ringbus::Server<> echo) {
        CHECK(echo.wait(10s).value());
        auto request = echo.poll().value();
        request->send(request->payload()).value();
        request->finish().value();
    }, bus.server("echo").join().value());
    auto caller = bus.client("echo").join().value();
    CHECK(ringbus::text_of(*caller.call(ringbus::bytes_of("hello"), 10s).value()) == "hello");
    echoing.join();
    CHECK(caller.call({}, 10s).code() == RINGBUS_NO_SERVER);
}

// A test of payloads lives as long as its subscriber, which may move.
static void check_payload_test(const ringbus::Bus &bus) {
    auto topic = bus.topic<Pose>("tested").create().value();
    auto asked = std::make_unique<int>(0);
    int &count = *asked;
    auto wants = [asked = std::move(asked)](const Pose &pose) { return ++*asked, pose.x > 1; };
    auto first = topic.subscriber().filter_payload(std::move(wants)).join().value();
    auto moved = std::move(first);
    auto publisher = topic.publisher().value();
    publisher.publish({1, 0}).value();
    publisher.publish({2, 0}).value();
    CHECK(moved.poll().value()->sequence() == 1 && count == 2);
    CHECK(moved.skipped().value() == 1);

    // It stays where no subscriber came of it.
    int tested = 0;
    auto retried = topic.subscriber();
    retried.filter_payload([&tested](const Pose &pose) { return ++tested, pose.x > 1; });
    CHECK(retried.start(Start::sequence(99)).join().code() == RINGBUS_NOT_YET);
    CHECK(retried.start(Start::oldest()).join().value().poll().value()->sequence() == 1 && tested == 2);

    // It goes after its subscriber, also where another one takes the place of that.
    struct Ends {
        std::shared_ptr<std::uint64_t> handles;
        ~Ends() {
            if (handles) {
                *handles = ringbus_open_handles();
            }
        }
        Ends(std::shared_ptr<std::uint64_t> handles) : handles(std::move(handles)) {}
        Ends(Ends &&) = default;
        bool operator()(const Pose &) const { return true; }
    };
    auto at_end = std::make_shared<std::uint64_t>(0);
    auto ending = topic.subscriber().filter_payload(Ends(at_end)).join().value();
    auto next = topic.subscriber().join().value();
    const auto before = ringbus_open_handles();
    ending = std::move(next);
    CHECK(*at_end == before - 1);

    moved = topic.subscriber().start(Start::oldest()).join().value();
    CHECK(moved.poll().value()->sequence() == 0);
}

static void check_bus(const std::string &directory) {
    auto builder = ringbus::Bus::builder();
    builder.directory(directory).name("objects");
    CHECK(ringbus::BusBuilder(builder).existing().open().code() == RINGBUS_NOT_FOUND);
    auto bus = builder.open().value();
    CHECK(bus.name().value() == "objects" && bus.id().value() == builder.open().value().id().value());
    CHECK(bus.path().value() == directory + "/objects");
    CHECK(builder.names().value() == std::vector<std::string>{"objects"});
    auto watch = bus.watch().value();
    CHECK(!watch.next(0s).value());
    auto topic = bus.topic("t").create().value();
    const auto event = watch.next(10s).value();
    CHECK(event && event->appeared && event->name == "t");
    CHECK(bus.topics().value().size() == 1);
    auto publisher = topic.publisher().value();
    CHECK(bus.participants().value().size() == 1);
    CHECK(bus.gc().value().files == 0);
    CHECK(bus.remove("t").code() == RINGBUS_IN_USE);

    // Handles may go in any order, be moved, and be assigned.
    auto elsewhere = std::make_unique<ringbus::Publisher<>>(std::move(publisher));
    CHECK(publisher.publish({}).code() == RINGBUS_NULL_ARGUMENT);
    elsewhere->publish(ringbus::bytes_of("on")).value();
    elsewhere.reset();
    auto again = topic.publisher().value();
    bus = builder.open().value();
    topic = bus.topic("t").open().value();
    again.publish({}).value();
    check_results();
    check_types(bus);
    check_waiting(bus);
    check_values(bus);
    check_slices(bus);
    check_batches(bus);
    check_bytes(bus);
    check_attributes(bus);
    check_payload_test(bus);
    check_many(bus);
    check_calls(bus);
    check_dispatcher(bus);
    check_blackboard(bus);
    builder.destroy().value();
}

int main(int argc, char **argv) {
    if (argc != 2) {
        return 2;
    }
    check_bus(argv[1]);
    CHECK(ringbus_open_handles() == 0);
    return 0;
}
