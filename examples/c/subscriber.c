/*
 * Prints COUNT messages, one to a line, and what it was too slow for.
 *
 *   subscriber DIRECTORY TOPIC COUNT
 */
#include <stdio.h>
#include <stdlib.h>

#include <ringbus.h>

#define SECOND 1000000000u

static int report(const char *what) {
    fprintf(stderr, "%s: %s\n", what, ringbus_last_error());
    return 1;
}

int main(int argc, char **argv) {
    ringbus_bus_options where = ringbus_bus_options_init();
    ringbus_subscriber_options how = ringbus_subscriber_options_init();
    ringbus_bus *bus = NULL;
    ringbus_topic *topic = NULL;
    ringbus_subscriber *subscriber = NULL;
    unsigned long long count = 0, wanted;

    if (argc != 4) {
        fprintf(stderr, "usage: %s DIRECTORY TOPIC COUNT\n", argv[0]);
        return 2;
    }
    wanted = strtoull(argv[3], NULL, 10);
    where.directory = argv[1];
    how.start = ringbus_start_at(RINGBUS_START_OLDEST, 0);
    if (ringbus_bus_open(NULL, &where, &bus) != RINGBUS_OK) {
        return report("bus");
    }
    if (ringbus_topic_open_or_create(bus, argv[2], NULL, &topic) != RINGBUS_OK) {
        return report("topic");
    }
    if (ringbus_subscriber_open(topic, &how, &subscriber) != RINGBUS_OK) {
        return report("subscriber");
    }
    while (count < wanted) {
        ringbus_message message;
        ringbus_code code = ringbus_subscriber_poll(subscriber, &message);
        if (code == RINGBUS_OK) {
            printf("%.*s\n", (int)message.payload_len_bytes, (const char *)message.payload);
            count++;
        } else if (code == RINGBUS_EMPTY) {
            /* Spins for a moment, then sleeps; publishers pay for waking only those who sleep. */
            if (ringbus_subscriber_wait(subscriber, 60 * (uint64_t)SECOND) != RINGBUS_OK) {
                return report("wait");
            }
        } else if (code == RINGBUS_LAGGED) {
            ringbus_failure failure = ringbus_failure_init();
            ringbus_last_failure(&failure);
            fprintf(stderr, "missed %llu\n", (unsigned long long)failure.missed);
            count += failure.missed;
        } else {
            return report("poll");
        }
    }
    ringbus_subscriber_close(subscriber);
    ringbus_topic_close(topic);
    ringbus_bus_close(bus);
    return 0;
}
