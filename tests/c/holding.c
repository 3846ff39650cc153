/*
 * What a subscriber gives is there until the next call on it, whichever gave it and whichever comes next.
 * Random calls on one subscriber beside a model of what must come of each: compiled as C and as C++.
 *
 *   holding DIRECTORY [STEPS]
 *
 * After each call, all that is held is compared with what was sent. Now and then the topic is filled: what a
 * publisher can send tells where the gate is, so what was given back too early, or never, is found.
 *
 * Exits 0 only if everything held; says on stderr what did not.
 */
#include "check.h"

#define CAPACITY 16
#define RETAINED (CAPACITY / 8 * 7)
#define BATCH 8
#define WORDS 6

/* The calls on each kind of subscriber. */
static unsigned steps = 4000;

/* What a topic keeps, and how its messages are sent. */
typedef struct {
    const char *name;
    uint32_t publishers, time;
    uint64_t attributes_max_bytes;
    /* Where a message is read by more than a look at its slot: its payload is a loan's. */
    int has_loans;
} kind;

/* One topic, its subscriber, and the model. */
typedef struct {
    const kind *of;
    /* It tests what it reads: no poll is the short one, and its gate moves by several messages at once. */
    int is_slow;
    ringbus_publisher *publisher;
    ringbus_subscriber *subscriber;
    uint64_t random;
    /* The sequence of the next message that is sent, and of the next that is read. */
    uint64_t next, cursor;
    ringbus_message held[BATCH];
    size_t held_count;
} walk;

static uint64_t below(walk *w, uint64_t limit) {
    w->random = w->random * 6364136223846793005u + 1442695040888963407u;
    return (w->random >> 33) % limit;
}

/* The payload and the attributes of each message tell its sequence. */
static void compose(uint64_t *words, uint64_t sequence) {
    unsigned n;
    for (n = 0; n < WORDS; n++) {
        words[n] = sequence * 1000003 + n;
    }
}

static size_t attributes_of(const walk *w, uint64_t sequence) {
    return w->of->attributes_max_bytes > 0 ? sequence % 3 : 0;
}

static uint64_t gate(const walk *w) { return w->held_count > 0 ? w->held[0].sequence : w->cursor; }

/* Whether a message was sent: it must be refused where the gate is shut, and only there. */
static int is_sent(const walk *w, ringbus_code code, uint64_t sequence) {
    const int is_full = w->next - gate(w) == CAPACITY;
    if (code == RINGBUS_FULL) {
        CHECK(is_full || (w->is_slow && gate(w) < w->next));
        return 0;
    }
    CHECK(code == RINGBUS_OK && !is_full && sequence == w->next);
    return 1;
}

/* Sends the next message, if there is room. */
static int send_one(walk *w) {
    uint64_t words[WORDS], sequence = 0;
    ringbus_code code;
    int is_there;
    compose(words, w->next);
    if (w->of->has_loans && below(w, 2) == 0) {
        ringbus_loan loan;
        OK(ringbus_loan_open(w->publisher, sizeof words, 0, &loan));
        memcpy(loan.payload, words, sizeof words);
        code = ringbus_loan_commit(w->publisher, &loan, 0, &sequence);
        is_there = is_sent(w, code, sequence);
        if (!is_there) {
            OK(ringbus_loan_abort(w->publisher, &loan));
        }
    } else {
        const ringbus_attribute attributes[2] = {ringbus_attribute_int("a", (int64_t)w->next),
                                                 ringbus_attribute_int("b", (int64_t)w->next)};
        ringbus_outgoing message;
        memset(&message, 0, sizeof message);
        message.payload = words;
        message.payload_len_bytes = sizeof words;
        message.attributes = attributes;
        message.attribute_count = attributes_of(w, w->next);
        code = ringbus_publish_message(w->publisher, &message, 0, &sequence);
        is_there = is_sent(w, code, sequence);
    }
    w->next += (uint64_t)is_there;
    return is_there;
}

/* All that is held is what was sent, and tells its time and attributes; what is not held tells nothing. */
static void check_held(walk *w) {
    uint64_t words[WORDS], time;
    size_t n, count;
    ringbus_attribute found;
    for (n = 0; n < w->held_count; n++) {
        const ringbus_message *message = &w->held[n];
        compose(words, message->sequence);
        CHECK(message->payload_len_bytes == sizeof words);
        CHECK(memcmp(message->payload, words, sizeof words) == 0);
        if (below(w, 4) != 0) {
            continue;
        }
        CHECK(ringbus_subscriber_time(w->subscriber, message->sequence, &time) ==
              (w->of->time == RINGBUS_TIME_NONE ? RINGBUS_NO_TIME : RINGBUS_OK));
        OK(ringbus_subscriber_attributes(w->subscriber, message->sequence, NULL, 0, &count));
        CHECK(count == attributes_of(w, message->sequence));
        if (count > 0) {
            OK(ringbus_subscriber_attribute(w->subscriber, message->sequence, "a", &found));
            CHECK(found.integer == (int64_t)message->sequence);
        }
    }
    CHECK(ringbus_subscriber_attributes(w->subscriber, w->cursor, NULL, 0, &count) ==
          RINGBUS_NO_MESSAGE);
    CHECK(ringbus_subscriber_time(w->subscriber, gate(w) - 1, &time) == RINGBUS_NO_MESSAGE);
}

/* One message came, or none, as the model says. */
static void took(walk *w, ringbus_code code, uint64_t sequence, int is_there) {
    CHECK(code == (is_there ? RINGBUS_OK : RINGBUS_EMPTY));
    w->held_count = is_there ? 1 : 0;
    if (is_there) {
        CHECK(w->held[0].sequence == sequence);
        w->cursor = sequence + 1;
    }
}

/* Takes messages, or gives them back, in one of the ways there are. */
static void call(walk *w) {
    const int is_there = w->cursor < w->next;
    uint64_t number = 0;
    size_t n;
    switch (below(w, 16)) {
    case 0:
    case 1:
        took(w, ringbus_subscriber_latest(w->subscriber, w->held), w->next - 1, is_there);
        break;
    case 2:
    case 3: {
        const uint64_t max = 1 + below(w, BATCH), there = w->next - w->cursor;
        const ringbus_code code =
            ringbus_subscriber_poll_batch(w->subscriber, w->held, max, &w->held_count);
        CHECK(code == (is_there ? RINGBUS_OK : RINGBUS_EMPTY));
        CHECK(w->held_count <= max && w->held_count <= there && (w->held_count > 0) == is_there);
        for (n = 0; n < w->held_count; n++) {
            CHECK(w->held[n].sequence == w->cursor++);
        }
        break;
    }
    case 4:
        w->held_count = 0;
        OK(ringbus_subscriber_release(w->subscriber));
        break;
    case 5:
        w->held_count = 0;
        CHECK(ringbus_subscriber_wait(w->subscriber, 0) == (is_there ? RINGBUS_OK : RINGBUS_TIMEOUT));
        break;
    case 6:
        w->held_count = 0;
        OK(ringbus_subscriber_cursor(w->subscriber, &number));
        CHECK(number == w->cursor);
        OK(ringbus_subscriber_lag(w->subscriber, &number));
        CHECK(number == w->next - w->cursor);
        OK(ringbus_subscriber_held(w->subscriber, &number));
        CHECK(number == 0 || w->is_slow);
        break;
    case 7:
        w->held_count = 0;
        /* Where it starts anew, it can count on seven eighths of the capacity. */
        if (w->next - w->cursor > RETAINED) {
            w->cursor = w->next - RETAINED;
        }
        w->cursor += below(w, w->next - w->cursor + 1);
        OK(ringbus_subscriber_seek(w->subscriber,
                                   ringbus_start_at(RINGBUS_START_SEQUENCE, w->cursor)));
        break;
    default:
        took(w, ringbus_subscriber_poll(w->subscriber, w->held), w->cursor, is_there);
    }
}

static int32_t wants_all(void *context, const void *payload, size_t len) {
    (void)context;
    (void)payload;
    return len > 0;
}

static void check(ringbus_bus *bus, const kind *of, int is_slow) {
    ringbus_topic_options options = ringbus_topic_options_init();
    ringbus_subscriber_options reliably = ringbus_subscriber_options_init();
    ringbus_filter filter = ringbus_filter_init();
    ringbus_topic *topic = NULL;
    uint64_t missed = 9;
    unsigned step;
    walk w;

    memset(&w, 0, sizeof w);
    w.of = of;
    w.is_slow = is_slow;
    w.random = is_slow ? 7 : 1;
    options.publishers = of->publishers;
    options.capacity_slots = CAPACITY;
    options.payload_max_bytes = WORDS * sizeof(uint64_t);
    options.attributes_max_bytes = of->attributes_max_bytes;
    options.time = of->time;
    reliably.delivery = RINGBUS_RELIABLE;
    if (is_slow) {
        filter.payload_test = wants_all;
        reliably.filter = &filter;
    }
    OK(ringbus_topic_create(bus, of->name, &options, &topic));
    OK(ringbus_publisher_open(topic, &w.publisher));
    OK(ringbus_subscriber_open(topic, &reliably, &w.subscriber));
    for (step = 0; step < steps; step++) {
        uint64_t n;
        for (n = below(&w, 4); n > 0; n--) {
            send_one(&w);
        }
        while (below(&w, 8) == 0 && send_one(&w)) {
            while (send_one(&w)) {
            }
        }
        check_held(&w);
        call(&w);
        check_held(&w);
    }
    /* Once all is read, there is room for as many as ever. */
    do {
        took(&w, ringbus_subscriber_poll(w.subscriber, w.held), w.cursor, w.cursor < w.next);
    } while (w.held_count > 0);
    while (send_one(&w)) {
    }
    CHECK(w.next - w.cursor == CAPACITY);
    OK(ringbus_subscriber_lagged(w.subscriber, &missed));
    CHECK(missed == 0);
    OK(ringbus_publisher_close(w.publisher));
    OK(ringbus_subscriber_close(w.subscriber));
    OK(ringbus_topic_close(topic));
    OK(ringbus_bus_remove(bus, of->name, 0));
}

int main(int argc, char **argv) {
    static const kind kinds[] = {
        {"plain", RINGBUS_EXCLUSIVE, RINGBUS_TIME_NONE, 0, 0},
        {"attributes", RINGBUS_EXCLUSIVE, RINGBUS_TIME_NONE, 64, 0},
        {"times", RINGBUS_EXCLUSIVE, RINGBUS_TIME_CLOCK, 0, 0},
        {"shared", RINGBUS_SHARED, RINGBUS_TIME_NONE, 0, 0},
        {"loans", RINGBUS_SHARED, RINGBUS_TIME_NONE, 0, 1},
    };
    const char *directory = directory_of(argc, argv, &steps);
    ringbus_bus *bus = open_bus(directory);
    unsigned n;

    for (n = 0; n < sizeof kinds / sizeof *kinds; n++) {
        check(bus, &kinds[n], 0);
        check(bus, &kinds[n], 1);
    }
    close_bus(bus);
    return 0;
}
