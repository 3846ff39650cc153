/*
 * ringbus: a lock-free message bus in shared memory, for the processes of one host.
 *
 * A topic is a ring of messages. Publishers write it and subscribers read it in place; each
 * subscriber has its own cursor. Whatever a process does, killed or stopped at any instruction, it
 * neither blocks nor tears what the others send and receive.
 *
 * Conventions
 *   - Functions that can fail return a ringbus_code: 0 is success, 1 to 99 say what there was to
 *     find (they are no failures), 100 and above are failures. A failure also leaves a message for
 *     people, see ringbus_last_error().
 *   - Out-parameters come last. They are written on success only, unless a function says more.
 *   - Strings are UTF-8 and end in NUL. They are copied, never kept.
 *   - What `_open` gives, the matching `_close` takes back. Closing NULL does nothing. The order
 *     does not matter: a publisher or subscriber outlives the bus that it was opened from.
 *   - A bus may be used by many threads at once. A publisher or a subscriber may move between
 *     threads, but only one may use it at a time.
 *   - A child of fork() may not use its parent's handles: calls return RINGBUS_FORKED.
 *   - No panic crosses this boundary: a defect inside is RINGBUS_PANICKED.
 *
 * C99 or later, C++11 or later.
 */
#ifndef RINGBUS_H
#define RINGBUS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this header; ringbus_version() is that of the library. */
#define RINGBUS_VERSION_MAJOR 0
#define RINGBUS_VERSION_MINOR 1
#define RINGBUS_VERSION_PATCH 0

/* A wait without an end. */
#define RINGBUS_FOREVER UINT64_MAX

/* One of the codes below. */
typedef int32_t ringbus_code;

/* Codes keep their numbers for ever; new ones are added at the end of their block. */
enum {
    /* 0: success */
    RINGBUS_OK = 0, /* done */

    /* 1 to 99: no failure, but not a message either */
    RINGBUS_EMPTY = 1,   /* no message yet */
    RINGBUS_TIMEOUT = 2, /* the time passed before anything happened */

    /* 100: the call itself */
    RINGBUS_NULL_ARGUMENT = 100,    /* a pointer that must not be NULL is NULL */
    RINGBUS_INVALID_ARGUMENT = 101, /* a value, name or text that is not allowed */
    RINGBUS_PANICKED = 102,         /* a defect in ringbus; please report it */
    RINGBUS_FORKED = 103,           /* the handle belongs to the process that forked */
    RINGBUS_OTHER = 104,            /* a failure that has no code of its own yet */

    /* 200: opening a bus or a topic */
    RINGBUS_NOT_FOUND = 200,         /* it does not exist, and was not to be created */
    RINGBUS_PERMISSION_DENIED = 201, /* the file's mode or owner forbids it */
    RINGBUS_NO_SPACE = 202,          /* shared memory is full */
    RINGBUS_SYSTEM = 203,            /* the operating system refused; see the message */
    RINGBUS_INCOMPATIBLE = 204,      /* another layout version, or not a ringbus file */
    RINGBUS_MISMATCH = 205,          /* the topic exists with other options than asked for */
    RINGBUS_EXISTS = 206,            /* it exists, and was to be created */

    /* 300: joining a topic */
    RINGBUS_PUBLISHER_EXISTS = 300,    /* an exclusive topic has a living publisher */
    RINGBUS_TOO_MANY_PUBLISHERS = 301, /* the topic's max_publishers are there */
    RINGBUS_TOO_MANY_SUBSCRIBERS = 302, /* the topic's max_subscribers are there */
    RINGBUS_TOO_MANY_PARTICIPANTS = 303, /* the bus has no place for another handle */
    RINGBUS_REMOVED = 304,              /* the topic was removed since it was opened */

    /* 400: publishing */
    RINGBUS_FULL = 400,       /* a reliable subscriber has not read what would be overwritten */
    RINGBUS_TOO_LONG = 401,   /* the payload is longer than the topic takes */
    RINGBUS_WRONG_SIZE = 402, /* the payload does not have the length that the topic takes */
    RINGBUS_NOT_KEPT = 403,   /* a tag, and the topic keeps none */

    /* 500: receiving */
    RINGBUS_LAGGED = 500,   /* messages were overwritten before they were read; go on polling */
    RINGBUS_EVICTED = 501,  /* this reliable subscriber stalled too long; go on polling */
    RINGBUS_CORRUPTED = 502 /* the shared memory holds what no ringbus writes */
};

/* ---- The library ---------------------------------------------------------------------------- */

/* The version of the library, "major.minor.patch". Never NULL, never to be freed. */
const char *ringbus_version(void);

/*
 * What a code means, in a few words. Never NULL, never to be freed; a number that is no code gives
 * "unknown code".
 */
const char *ringbus_strerror(ringbus_code code);

/*
 * What failed last on this thread, where, and what to do about it. Never NULL: "" before the first
 * failure. A success does not clear it. Valid until the next failure on this thread, or its end.
 */
const char *ringbus_last_error(void);

/* ---- The bus -------------------------------------------------------------------------------- */

/* A named set of topics: a directory in shared memory. */
typedef struct ringbus_bus ringbus_bus;

/*
 * Opens the bus `name`, creating it where it is not there. NULL is the bus "default".
 *
 * Buses lie in `directory`; NULL is $RINGBUS_DIR, or else /dev/shm/ringbus-<uid>. A bus that this
 * call creates is for the calling user only (mode 0600).
 */
ringbus_code ringbus_bus_open(const char *directory, const char *name, ringbus_bus **bus);

/* Closes the bus. It and its topics stay for others, and for later. */
ringbus_code ringbus_bus_close(ringbus_bus *bus);

/* ---- Topics --------------------------------------------------------------------------------- */

/* Many publishers at once, in one total order; without it, one at a time. */
#define RINGBUS_TOPIC_SHARED 1u
/* The topic must exist; without it, a missing one is created. */
#define RINGBUS_TOPIC_EXISTING 2u

/*
 * What a topic is to be. A zero takes an existing topic as it is, and the default where it must be
 * created; anything else must match an existing topic (RINGBUS_MISMATCH). Start from
 * RINGBUS_TOPIC_OPTIONS_INIT: it sets `size_bytes`, by which the library knows the fields that the
 * caller was compiled with.
 */
typedef struct ringbus_topic_options {
    size_t size_bytes;            /* sizeof(ringbus_topic_options) */
    uint32_t flags;               /* RINGBUS_TOPIC_..., or'ed */
    uint32_t reserved;            /* 0 */
    uint64_t capacity_slots;      /* messages kept, a power of two; default 4096 */
    uint64_t payload_max_bytes;   /* payloads of any length up to this; default 1024 */
    uint64_t payload_fixed_bytes; /* payloads of exactly this length, instead of a maximum */
} ringbus_topic_options;

#define RINGBUS_TOPIC_OPTIONS_INIT {sizeof(ringbus_topic_options), 0, 0, 0, 0, 0}

/* ---- Publishers ----------------------------------------------------------------------------- */

/* Sends messages on one topic. */
typedef struct ringbus_publisher ringbus_publisher;

/*
 * Opens a publisher of `topic`, a name of levels separated by '/', 255 bytes at most. NULL
 * `options` are all zeroes.
 *
 * RINGBUS_PUBLISHER_EXISTS: an exclusive topic has a living publisher. The kernel ends the claim of
 * one that dies, so trying again later is enough.
 */
ringbus_code ringbus_publisher_open(const ringbus_bus *bus, const char *topic,
                                    const ringbus_topic_options *options,
                                    ringbus_publisher **publisher);

/* Closes the publisher; what it has sent stays readable. */
ringbus_code ringbus_publisher_close(ringbus_publisher *publisher);

/*
 * Sends a copy of the `len_bytes` at `payload`, which may be NULL where `len_bytes` is 0.
 *
 * `tag` is the caller's: a key to filter by, a type, an instrument. While the slowest reliable
 * subscriber holds the topic full, waits for at most `timeout_ns`: 0 does not wait, RINGBUS_FOREVER
 * waits without an end. `sequence` may be NULL; on success it gets the message's sequence.
 *
 * RINGBUS_FULL: the message was not sent; ringbus_last_error() names who holds the topic.
 */
ringbus_code ringbus_publish(ringbus_publisher *publisher, const void *payload, size_t len_bytes,
                             uint64_t tag, uint64_t timeout_ns, uint64_t *sequence);

/*
 * Waits until `count` living subscribers have joined the topic, for at most `timeout_ns`.
 * RINGBUS_TIMEOUT: fewer were there until then.
 */
ringbus_code ringbus_publisher_wait_subscribers(ringbus_publisher *publisher, size_t count,
                                                uint64_t timeout_ns);

/* ---- Subscribers ---------------------------------------------------------------------------- */

/* Receives the messages of one topic, in order. */
typedef struct ringbus_subscriber ringbus_subscriber;

/* Publishers wait for this subscriber; without it, it is told how much it missed. */
#define RINGBUS_SUBSCRIBER_RELIABLE 1u
/* Start at the oldest message that is kept; without it, at the next one. */
#define RINGBUS_SUBSCRIBER_OLDEST 2u

/*
 * Opens a subscriber of `topic`. `topic_options` are as for ringbus_publisher_open(), so either
 * side may come first; NULL are all zeroes. `flags` are RINGBUS_SUBSCRIBER_..., or'ed.
 */
ringbus_code ringbus_subscriber_open(const ringbus_bus *bus, const char *topic,
                                     const ringbus_topic_options *topic_options, uint32_t flags,
                                     ringbus_subscriber **subscriber);

/* Closes the subscriber. The payload of its last message is no longer valid. */
ringbus_code ringbus_subscriber_close(ringbus_subscriber *subscriber);

/* A message, where it lies in shared memory. */
typedef struct ringbus_message {
    const void *payload;      /* `payload_len_bytes` readable bytes; never NULL */
    size_t payload_len_bytes; /* 0 is a message too */
    uint64_t sequence;        /* its position in the topic, never reused */
    uint64_t tag;             /* the publisher's; 0 where the topic keeps none */
    uint64_t time_ns;         /* CLOCK_MONOTONIC at its publication; 0 where the topic keeps none */
} ringbus_message;

/*
 * Takes the next message, without waiting.
 *
 * Nobody changes the payload until the next call on this subscriber, whichever that is: that call
 * takes it back.
 *
 * RINGBUS_EMPTY: none yet. RINGBUS_LAGGED and RINGBUS_EVICTED: messages were lost, and counted, see
 * ringbus_subscriber_lagged(); the next poll goes on at the oldest that is kept.
 */
ringbus_code ringbus_subscriber_poll(ringbus_subscriber *subscriber, ringbus_message *message);

/*
 * Sleeps until there is something to poll, for at most `timeout_ns`; RINGBUS_TIMEOUT if nothing
 * came. Takes back the last message's payload.
 */
ringbus_code ringbus_subscriber_wait(ringbus_subscriber *subscriber, uint64_t timeout_ns);

/* Takes back the last message's payload now rather than at the next poll. */
ringbus_code ringbus_subscriber_release(ringbus_subscriber *subscriber);

/* How many messages this subscriber has lost in all. Takes back the last message's payload. */
ringbus_code ringbus_subscriber_lagged(ringbus_subscriber *subscriber, uint64_t *messages);

#ifdef __cplusplus
}
#endif

#endif /* RINGBUS_H */
