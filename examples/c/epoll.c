/*
 * Prints messages of many topics from a loop of epoll, each with its topic, until its standard input
 * ends.
 *
 *   epoll DIRECTORY TOPIC...
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <ringbus.h>

#define TOPICS_MAX 64

static int report(const char *what) {
    fprintf(stderr, "%s: %s\n", what, ringbus_last_error());
    return 1;
}

/* Everything that there is to read from a topic. */
static int drain(const char *topic, ringbus_subscriber *subscriber) {
    ringbus_message message;
    for (;;) {
        switch (ringbus_subscriber_poll(subscriber, &message)) {
        case RINGBUS_OK:
            printf("%s: %.*s\n", topic, (int)message.payload_len_bytes,
                   (const char *)message.payload);
            break;
        case RINGBUS_EMPTY:
            fflush(stdout);
            return 0;
        case RINGBUS_LAGGED:
            fprintf(stderr, "%s: %s\n", topic, ringbus_last_error());
            break;
        default:
            return report("poll");
        }
    }
}

int main(int argc, char **argv) {
    ringbus_bus_options where = ringbus_bus_options_init();
    ringbus_subscriber_options how = ringbus_subscriber_options_init();
    ringbus_bus *bus = NULL;
    ringbus_subscriber *subscribers[TOPICS_MAX];
    ringbus_wait_set *set = NULL;
    struct epoll_event event = {0};
    int topics = argc - 2, index, set_fd, loop;

    if (topics < 1 || topics > TOPICS_MAX) {
        fprintf(stderr, "usage: %s DIRECTORY TOPIC...\n", argv[0]);
        return 2;
    }
    where.directory = argv[1];
    how.start = ringbus_start_at(RINGBUS_START_OLDEST, 0);
    if (ringbus_bus_open(NULL, &where, &bus) != RINGBUS_OK) {
        return report("bus");
    }
    if (ringbus_wait_set_open(bus, &set) != RINGBUS_OK) {
        return report("wait set");
    }
    for (index = 0; index < topics; index++) {
        ringbus_topic *topic = NULL;
        if (ringbus_topic_open_or_create(bus, argv[index + 2], NULL, &topic) != RINGBUS_OK ||
            ringbus_subscriber_open(topic, &how, &subscribers[index]) != RINGBUS_OK ||
            ringbus_wait_set_add(set, subscribers[index], (uint64_t)index) != RINGBUS_OK) {
            return report(argv[index + 2]);
        }
        ringbus_topic_close(topic);
    }
    if (ringbus_wait_set_fd(set, &set_fd) != RINGBUS_OK) {
        return report("wait set");
    }
    loop = epoll_create1(EPOLL_CLOEXEC);
    event.events = EPOLLIN;
    event.data.fd = set_fd;
    if (loop < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, set_fd, &event) != 0) {
        perror("epoll");
        return 1;
    }
    event.data.fd = STDIN_FILENO;
    if (epoll_ctl(loop, EPOLL_CTL_ADD, STDIN_FILENO, &event) != 0) {
        perror("standard input");
        return 1;
    }
    for (;;) {
        uint64_t tokens[TOPICS_MAX];
        size_t count = 0, at;
        if (epoll_wait(loop, &event, 1, -1) < 1) {
            continue;
        }
        if (event.data.fd == STDIN_FILENO) {
            char byte;
            if (read(STDIN_FILENO, &byte, 1) < 1) {
                break;
            }
            continue;
        }
        /* No timeout: the loop has waited. Found none, the descriptor is readable no more. */
        switch (ringbus_wait_set_wait(set, 0, TOPICS_MAX, tokens, &count)) {
        case RINGBUS_OK:
            for (at = 0; at < count; at++) {
                if (drain(argv[tokens[at] + 2], subscribers[tokens[at]]) != 0) {
                    return 1;
                }
            }
            break;
        case RINGBUS_TIMEOUT:
            break;
        default:
            return report("wait");
        }
    }
    ringbus_wait_set_close(set);
    for (index = 0; index < topics; index++) {
        ringbus_subscriber_close(subscribers[index]);
    }
    ringbus_bus_close(bus);
    close(loop);
    return 0;
}
