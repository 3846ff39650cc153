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
 *     people, ringbus_last_error(), and numbers for the program, ringbus_last_failure().
 *   - Out-parameters come last. They are written on success only, unless a function says more.
 *   - Strings are UTF-8 and end in NUL. What is passed in is copied, never kept.
 *   - What `_open` gives, the matching `_close` takes back; closing NULL does nothing. The order
 *     does not matter: everything outlives the bus and topic that it was opened from.
 *   - Handles are looked up, never followed: one that is NULL, closed, closed twice, of another kind
 *     or no handle at all is refused with a code.
 *   - Buses and topics may be used by many threads at once. All else may move between threads, but
 *     only one call at a time may use it: another returns RINGBUS_BUSY and does nothing. Moving
 *     costs microseconds. Wait sets may be interrupted, and dispatchers stopped, by any thread.
 *   - Functions of the program that the library calls must return: no exception, no longjmp.
 *   - A child of fork() may not use its parent's handles: calls return RINGBUS_FORKED. It may close
 *     them.
 *   - Publishing, polling, loans and releases neither lock nor allocate, except that a thread's first
 *     call on a handle does, and make no system call while nobody waits or sleeps.
 *   - No panic crosses this boundary: a defect inside is RINGBUS_PANICKED.
 *   - Options start with their own size, so that programs go on working with later libraries; the
 *     `_init` functions at the end of this file set it.
 *
 * Made from the library's sources; C99 or later, C++11 or later. `ringbus.hpp` is for C++17.
 */

#ifndef RINGBUS_H
#define RINGBUS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** The version of this header; ringbus_version() is that of the library. */
#define RINGBUS_VERSION_MAJOR 0
#define RINGBUS_VERSION_MINOR 1
#define RINGBUS_VERSION_PATCH 0


/** A wait without an end, as a `timeout_ns`. */
#define RINGBUS_FOREVER UINT64_MAX

/** Zero, in the fields of options where 0 means the default. */
#define RINGBUS_ZERO UINT64_MAX

/** Yes, in the fields of options where 0 means the default. */
#define RINGBUS_YES 1

/** No, in the fields of options where 0 means the default. */
#define RINGBUS_NO 2

/** The bus must exist; without it, a missing one is created. */
#define RINGBUS_BUS_EXISTING 1

/** `group` counts. */
#define RINGBUS_BUS_GROUP 2

/** No certain group. */
#define RINGBUS_NO_GROUP UINT32_MAX

/**
 * Remove a topic even while publishers or subscribers live: they go on among themselves, and whoever
 * opens the name next finds nothing, or a new topic.
 */
#define RINGBUS_REMOVE_FORCE 1

/** One publisher at a time, which writes in place; the default of a new topic. */
#define RINGBUS_EXCLUSIVE 1

/** Many publishers at once, in one total order. */
#define RINGBUS_SHARED 2

/** Messages carry no publish time; the default of a new topic. */
#define RINGBUS_TIME_NONE 1

/** Publish times by `CLOCK_MONOTONIC`: about 20 ns for each publish. */
#define RINGBUS_TIME_CLOCK 2

/** Publish times by the processor's time-stamp counter, where it is invariant. */
#define RINGBUS_TIME_TSC 3

/** `group` counts. */
#define RINGBUS_TOPIC_GROUP 1

/** The value is text: `data`, which is UTF-8. */
#define RINGBUS_ATTRIBUTE_TEXT 1

/** The value is bytes that are no text: `data`. */
#define RINGBUS_ATTRIBUTE_BYTES 2

/** The value is a whole number: `integer`. */
#define RINGBUS_ATTRIBUTE_INT 3

/** The value is a number with a fraction: `real`. */
#define RINGBUS_ATTRIBUTE_FLOAT 4

/** The value is yes or no: `integer`, 1 or 0. */
#define RINGBUS_ATTRIBUTE_BOOL 5

/** `publisher` counts. */
#define RINGBUS_FILTER_PUBLISHER 1

/** At the first message published after joining; the default. */
#define RINGBUS_START_LATEST 0

/** At the oldest message retained: at least seven eighths of the capacity are. */
#define RINGBUS_START_OLDEST 1

/** At the sequence `value`. If it is no longer retained, the first poll says `RINGBUS_LAGGED`. */
#define RINGBUS_START_SEQUENCE 2

/** At the last `value` messages, or as many as are retained. */
#define RINGBUS_START_LAST 3

/** At the first message published at `value` nanoseconds of `CLOCK_MONOTONIC` or later. */
#define RINGBUS_START_TIME 4

/** Holds up nobody, and is told exactly what it missed; the default. */
#define RINGBUS_LOSSY 1

/** Gets every message: publishers wait for it, while it lives. */
#define RINGBUS_RELIABLE 2

/** The publisher of a message of a topic of fixed size without tags and time. */
#define RINGBUS_NO_PUBLISHER UINT32_MAX

/** Topics take turns, a message each; the default. */
#define RINGBUS_ORDER_ROUND_ROBIN 1

/**
 * The message that was published first, of all that are there, comes first. Those of topics that keep no
 * times count as published when they are first seen.
 */
#define RINGBUS_ORDER_TIME 2

/** The handler has done its work. */
#define RINGBUS_HANDLED 0

/** The handler could not do its work. */
#define RINGBUS_HANDLER_FAILED 1

/** The handler was ended by an exception, which the caller of the function has caught. */
#define RINGBUS_HANDLER_THREW 2

/** A handler failed: `RINGBUS_HANDLER_FAILED`. */
#define RINGBUS_TROUBLE_FAILED 1

/** A handler was ended by an exception: `RINGBUS_HANDLER_THREW`. */
#define RINGBUS_TROUBLE_THREW 2

/** A topic lagged, or cannot be read. */
#define RINGBUS_TROUBLE_TOPIC 3

/** The number of a server that is not known. */
#define RINGBUS_UNKNOWN_SERVER UINT32_MAX

/** The topic exists: it was there when the watch began, or has appeared since. */
#define RINGBUS_TOPIC_APPEARED 1

/** The topic was removed. */
#define RINGBUS_TOPIC_VANISHED 2

/**
 * What a call came to: 0 is success, 1 to 99 say what there was to find and are no failures, 100 and
 * above are failures. A number is never changed nor used again; new ones are added at the end of
 * their block.
 */
enum ringbus_code
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /** Done. */
    RINGBUS_OK = 0,
    /** No failure: there is no message yet. */
    RINGBUS_EMPTY = 1,
    /** No failure: the time passed before anything happened. */
    RINGBUS_TIMEOUT = 2,
    /** No failure: the message has no attribute of this key. */
    RINGBUS_ABSENT = 3,
    /** No failure: it has ended, the answer to a call or a dispatcher. */
    RINGBUS_ENDED = 4,
    /** The call itself: a pointer that must not be NULL is NULL. */
    RINGBUS_NULL_ARGUMENT = 100,
    /** The call itself: a value, name or text that is not allowed. */
    RINGBUS_INVALID_ARGUMENT = 101,
    /** A defect in ringbus, which reached no further than this call; please report it. */
    RINGBUS_PANICKED = 102,
    /** The handle belongs to the process that forked: open another in the child. */
    RINGBUS_FORKED = 103,
    /** A failure that has no code of its own yet. */
    RINGBUS_OTHER = 104,
    /** The handle was closed. */
    RINGBUS_CLOSED = 105,
    /** The handle is one of another kind, such as a bus where a publisher belongs. */
    RINGBUS_WRONG_HANDLE = 106,
    /** The handle is none that this library gave. */
    RINGBUS_NOT_A_HANDLE = 107,
    /** Another call uses the handle, on another thread or below this one in a signal handler. */
    RINGBUS_BUSY = 108,
    /** The process has about a million handles open. */
    RINGBUS_TOO_MANY_HANDLES = 109,
    /** Opening: it does not exist, and was not to be created. */
    RINGBUS_NOT_FOUND = 200,
    /** Opening: the file's mode, group or owner forbids it. */
    RINGBUS_PERMISSION_DENIED = 201,
    /** Shared memory is full. */
    RINGBUS_NO_SPACE = 202,
    /** The operating system refused; `ringbus_last_failure` has its number for the reason. */
    RINGBUS_SYSTEM = 203,
    /** Opening: another layout version, or not a ringbus file. */
    RINGBUS_INCOMPATIBLE = 204,
    /** Opening: the topic exists with other options, or another type, than asked for. */
    RINGBUS_MISMATCH = 205,
    /** Creating: it exists already. */
    RINGBUS_EXISTS = 206,
    /** Removing: a publisher or subscriber lives. */
    RINGBUS_IN_USE = 207,
    /** Creating: this machine has no invariant time-stamp counter. */
    RINGBUS_NO_TSC = 208,
    /** Opening: the topic belongs to another bus than the registry beside it. */
    RINGBUS_OTHER_BUS = 209,
    /** Joining: an exclusive topic has a living publisher. */
    RINGBUS_PUBLISHER_EXISTS = 300,
    /** Joining: the topic has all the publishers it takes. */
    RINGBUS_TOO_MANY_PUBLISHERS = 301,
    /** Joining: the topic has all the subscribers it takes. */
    RINGBUS_TOO_MANY_SUBSCRIBERS = 302,
    /** Joining: the bus has all the participants it takes. */
    RINGBUS_TOO_MANY_PARTICIPANTS = 303,
    /** Joining: the topic was removed since it was opened. */
    RINGBUS_REMOVED = 304,
    /** Joining or seeking: the start lies in the future. */
    RINGBUS_NOT_YET = 305,
    /** Joining or seeking: a start by time on a topic that keeps no times. */
    RINGBUS_NO_TIME = 306,
    /** Publishing: a reliable subscriber has not read what would be overwritten. */
    RINGBUS_FULL = 400,
    /** Publishing: the payload is longer than the topic takes. */
    RINGBUS_TOO_LONG = 401,
    /** Publishing: the payload does not have the length, or a multiple of it, that the topic takes. */
    RINGBUS_WRONG_SIZE = 402,
    /** Publishing or filtering: by tags, flags or attributes, and the topic keeps none. */
    RINGBUS_NOT_KEPT = 403,
    /** Publishing: the next slot is on loan; commit or abort that loan first. */
    RINGBUS_LOAN_OUTSTANDING = 404,
    /** Publishing: the publisher has as many loans as the topic allows. */
    RINGBUS_LOAN_LIMIT = 405,
    /** Publishing: a run of more messages than the ring has slots. */
    RINGBUS_RUN_TOO_LONG = 406,
    /** Publishing: runs exist on exclusive topics only. */
    RINGBUS_NO_RUNS = 407,
    /** Publishing: the loan or run is none of this publisher's, or was committed or aborted before. */
    RINGBUS_NO_LOAN = 408,
    /** Publishing: the attributes need more room than the topic has for them. */
    RINGBUS_ATTRIBUTES_TOO_LONG = 409,
    /** Receiving: messages were overwritten before they were read; go on polling. */
    RINGBUS_LAGGED = 500,
    /** Receiving: this reliable subscriber stalled too long and was passed; go on polling. */
    RINGBUS_EVICTED = 501,
    /** The shared memory holds what no ringbus writes. */
    RINGBUS_CORRUPTED = 502,
    /** Receiving: the message is not the one, or one of those, that the last poll gave. */
    RINGBUS_NO_MESSAGE = 503,
    /** Calling: no server of the service lives; nothing was sent. */
    RINGBUS_NO_SERVER = 600,
    /** Calling: the server that was to answer died or left; it may have done what it was asked for. */
    RINGBUS_SERVER_ENDED = 601,
    /** Calling: the server says that it could not do it. */
    RINGBUS_SERVER_FAILED = 602,
    /** Calling: replies were overwritten before they were read, perhaps that to the call. */
    RINGBUS_REPLIES_LOST = 603,
    /** Calling: the server ended its answer without any reply. */
    RINGBUS_NO_REPLY = 604,
    /** Calling: the call is over, or another client's. */
    RINGBUS_NO_CALL = 605,
    /** Serving: the request was answered, or is another server's. */
    RINGBUS_NO_REQUEST = 606,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ringbus_code ringbus_code;
#else
typedef int32_t ringbus_code;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/** A named set of topics: a directory in shared memory. Many threads may use one at once. */
typedef struct ringbus_bus ringbus_bus;

/**
 * Sends requests to the servers of a service and takes their replies, for any number of calls at the same
 * time. May move between threads, but one call at a time may use it: a second one returns
 * `RINGBUS_BUSY`.
 */
typedef struct ringbus_client ringbus_client;

/**
 * Calls handlers with the messages of the topics that match their patterns. Any thread may stop it; of the
 * other calls one at a time may use it: a second one returns `RINGBUS_BUSY`.
 */
typedef struct ringbus_dispatcher ringbus_dispatcher;

/**
 * Receives the messages of all topics that match patterns, now and later, in place. May move between
 * threads, but one call at a time may use it: a second one returns `RINGBUS_BUSY`.
 */
typedef struct ringbus_multi_subscriber ringbus_multi_subscriber;

/**
 * Reads a topic without taking a place, writing anything or holding up anybody: it copies each message
 * and checks that it was whole. May move between threads, but one call at a time may use it: a second
 * one returns `RINGBUS_BUSY`.
 */
typedef struct ringbus_observer ringbus_observer;

/**
 * Sends messages on one topic. May move between threads, but one call at a time may use it: a second
 * one returns `RINGBUS_BUSY`.
 */
typedef struct ringbus_publisher ringbus_publisher;

/**
 * Answers the requests of a service's clients, which know of it until it is closed or its process ends,
 * however that ends. May move between threads, but one call at a time may use it: a second one returns
 * `RINGBUS_BUSY`.
 */
typedef struct ringbus_server ringbus_server;

/**
 * Receives the messages of one topic in place, each once and in order. May move between threads, but
 * one call at a time may use it: a second one returns `RINGBUS_BUSY`.
 */
typedef struct ringbus_subscriber ringbus_subscriber;

/**
 * An open topic, from which publishers, subscribers and observers start. Many threads may use one at
 * once.
 */
typedef struct ringbus_topic ringbus_topic;

/**
 * Waits for any number of subscribers of one bus at once, and for file descriptors. Any thread may
 * interrupt it; of the other calls one at a time may use it: a second one returns `RINGBUS_BUSY`.
 */
typedef struct ringbus_wait_set ringbus_wait_set;

/**
 * Reports the topics of a bus: first those that exist, then each that appears or vanishes. May move
 * between threads, but one call at a time may use it: a second one returns `RINGBUS_BUSY`.
 */
typedef struct ringbus_watch ringbus_watch;

/** The facts of a failure, for programs. Each is 0 where the failure has no such fact. */
typedef struct ringbus_failure {
    /** `sizeof(ringbus_failure)`, set by the caller. */
    size_t size_bytes;
    /** What the call returned, `RINGBUS_OK` before the first failure on this thread. */
    ringbus_code code;
    /** `errno` of the system call that failed. */
    int32_t system_errno;
    /**
     * Messages between the last one read and the next one to be read. `RINGBUS_LAGGED`,
     * `RINGBUS_EVICTED`. Replies of the service, to whomever: `RINGBUS_REPLIES_LOST`.
     */
    uint64_t missed;
    /**
     * The message that is damaged (`RINGBUS_CORRUPTED`), or the next to be published
     * (`RINGBUS_NOT_YET`).
     */
    uint64_t sequence;
    /**
     * How many messages the subscriber that holds the topic full has not finished reading.
     * `RINGBUS_FULL`.
     */
    uint64_t behind;
    /** That subscriber's number in the topic. */
    uint32_t subscriber;
    /** Its process, as it sees itself; 0 if unknown. */
    uint32_t pid;
    /** The line of a policy in which it is wrong, from 1. */
    uint32_t line;
    /** The byte of that line after what is wrong, from 1. */
    uint32_t column;
    /**
     * The topic that it is about, of those of a multi subscriber; NULL where there is none. Valid until
     * the next failure on this thread.
     */
    const char *topic;
    /** The number of the server. `RINGBUS_SERVER_ENDED`, `RINGBUS_SERVER_FAILED`. */
    uint32_t server;
    /** 0. */
    uint32_t reserved;
} ringbus_failure;

/** Where a bus is and who may use it. All zeros but the size are the defaults. */
typedef struct ringbus_bus_options {
    /** `sizeof(ringbus_bus_options)`, by which the library knows the fields that the caller has. */
    size_t size_bytes;
    /** The directory that holds buses. NULL is `$RINGBUS_DIR`, or else `/dev/shm/ringbus-<uid>`. */
    const char *directory;
    /** `RINGBUS_BUS_...`, or'ed. */
    uint32_t flags;
    /**
     * Who may use the bus, should it be created, and the topics created through it: three octal
     * digits in the manner of chmod, 6 for the owner, who may do everything, then one for the group
     * and one for all others: 0 nothing, 4 observe, 5 subscribe, 6 publish. Default 0600, or what the
     * existing bus grants. `RINGBUS_MISMATCH`: the bus exists and grants less.
     */
    uint32_t mode;
    /**
     * The number of a group of which the user is a member, with `RINGBUS_BUS_GROUP`; default the
     * user's own.
     */
    uint32_t group;
    /** 0. */
    uint32_t reserved;
} ringbus_bus_options;

/** What [`ringbus_bus_gc`] took back: all 0 where no process died, or others have met the dead. */
typedef struct ringbus_collected {
    /** Leases of dead processes. */
    uint64_t participants;
    /** Places of dead subscribers. */
    uint64_t subscribers;
    /** Places of dead publishers. */
    uint64_t publishers;
    /** Files that belonged to no topic. */
    uint64_t files;
} ringbus_collected;

/**
 * What a topic is to be. Zeros and NULLs take an existing topic as it is, and the default where it is
 * created; anything else must be so in an existing topic (`RINGBUS_MISMATCH`), except `wake_fence`, `huge_pages`,
 * `prefault` and `lock_memory`. Start from ringbus_topic_options_init().
 */
typedef struct ringbus_topic_options {
    /** `sizeof(ringbus_topic_options)`, by which the library knows the fields that the caller has. */
    size_t size_bytes;
    /** `RINGBUS_TOPIC_...`, or'ed. */
    uint32_t flags;
    /** `RINGBUS_EXCLUSIVE` or `RINGBUS_SHARED`. */
    uint32_t publishers;
    /** Messages kept, a power of two; default 4096. */
    uint64_t capacity_slots;
    /** Payloads of any length up to this; default 1024. `RINGBUS_ZERO` for none. */
    uint64_t payload_max_bytes;
    /** Payloads of exactly this length, instead of a maximum. `RINGBUS_ZERO` for none. */
    uint64_t payload_fixed_bytes;
    /** What the addresses of payloads are multiples of, a power of two from 8 to 4096; default 8. */
    uint64_t alignment_bytes;
    /** Publishers at once, of a shared topic; default 64. */
    uint64_t max_publishers;
    /** Registered subscribers at once; default 128. */
    uint64_t max_subscribers;
    /** Loans that one shared publisher may have out at once. Default: by the payload's size. */
    uint64_t loans;
    /**
     * Messages that one lossy subscriber may hold at once, each with a spare chunk. Default: by the
     * payload's size.
     */
    uint64_t pins;
    /** The sequence of the first message ever; default 0. `RINGBUS_ZERO` to ask for 0. */
    uint64_t first_sequence;
    /** Whether messages carry tags and flags, `RINGBUS_YES` or `RINGBUS_NO`; default yes. */
    uint32_t tags;
    /** `RINGBUS_TIME_...`. */
    uint32_t time;
    /**
     * Publishers fence, instead of sleepers interrupting every core of the bus: for publishers on
     * isolated cores. `RINGBUS_YES` or `RINGBUS_NO`; default no.
     */
    uint32_t wake_fence;
    /** Who may use the topic, as in ringbus_bus_options; default those whom the bus admits. */
    uint32_t mode;
    /**
     * The number of a group of which the user is a member, with `RINGBUS_TOPIC_GROUP`; default the
     * bus's.
     */
    uint32_t group;
    /** 0. */
    uint32_t reserved;
    /**
     * The type of the payload: the same name in every program, `[Name]` for messages of several
     * values. NULL is untyped bytes, as which every topic can be opened.
     */
    const char *type_name;
    /**
     * Its size in bytes, of one value. With `payload_fixed_bytes` of this size, each message is one
     * value.
     */
    uint64_t type_size_bytes;
    /** Its alignment in bytes. */
    uint64_t type_alignment_bytes;
    /** The name of the payload's encoding, at most 255 bytes; default none. */
    const char *encoding;
    /** The payload's schema, at most 64 KiB; default none. */
    const void *schema;
    /** Its length in bytes. */
    size_t schema_len_bytes;
    /**
     * Room for the attributes of each message, at most 65535 bytes: four for each, its key and its
     * value. Default none, which `RINGBUS_ZERO` asks for.
     */
    uint64_t attributes_max_bytes;
    /**
     * Where it is created, its ring is on huge pages: Linux 6.1, a bus on a tmpfs, and a ring at least
     * as large as one; else `RINGBUS_SYSTEM`, nothing is made, and ringbus_last_error() says what is
     * missing. `RINGBUS_YES` or `RINGBUS_NO`; default no.
     */
    uint32_t huge_pages;
    /**
     * All memory of the topic that handles opened from this one use is faulted in when they are.
     * `RINGBUS_YES` or `RINGBUS_NO`; default no.
     */
    uint32_t prefault;
    /**
     * All memory of the topic that this handle maps is locked, never to be swapped out.
     * `RINGBUS_SYSTEM` where the process may not lock so much (`ulimit -l`). `RINGBUS_YES` or
     * `RINGBUS_NO`; default no.
     */
    uint32_t lock_memory;
    /** 0. */
    uint32_t reserved_too;
} ringbus_topic_options;

/**
 * A key and its value, beside the payload of a message. ringbus_attribute_text() and its like make
 * one; what was read may be published again as it is.
 */
typedef struct ringbus_attribute {
    /** The key, UTF-8. Where it was read it does not end in NUL. */
    const char *key;
    /** Its length in bytes, 1 to 255. */
    size_t key_len_bytes;
    /** `RINGBUS_ATTRIBUTE_...`, which says where the value is. */
    uint32_t kind;
    /** 0. */
    uint32_t reserved;
    /** Text or bytes. Where it was read it does not end in NUL. */
    const void *data;
    /** Their length in bytes. */
    size_t data_len_bytes;
    /** A whole number, or yes (1) or no (0). */
    int64_t integer;
    /** A number with a fraction; where it was read, whole numbers as well. */
    double real;
} ringbus_attribute;

/**
 * A message to be sent, for ringbus_publish_message() and ringbus_publish_batch(). All zeros are an empty
 * one.
 */
typedef struct ringbus_outgoing {
    /** The payload; may be NULL where its length is 0. */
    const void *payload;
    /** Its length in bytes. */
    size_t payload_len_bytes;
    /** The caller's: a filter key, a type, an instrument. 0 on topics without tags. */
    uint64_t tag;
    /** The caller's. 0 on topics without tags and time. */
    uint16_t flags;
    /** 0. */
    uint16_t reserved[3];
    /** What stands beside the payload; may be NULL where there are none. */
    const ringbus_attribute *attributes;
    /** How many. Those of one key are one, the last. */
    size_t attribute_count;
} ringbus_outgoing;

/**
 * A message that is being written where it will be read. Set `tag` and `flags`, and lower
 * `payload_len_bytes` where the message became shorter; leave the rest alone.
 */
typedef struct ringbus_loan {
    /**
     * Where to write the message: `payload_len_bytes`, which hold whatever an earlier message left
     * there, or zeros. NULL once it was committed or aborted.
     */
    void *payload;
    /** The length in bytes that the message will have. */
    size_t payload_len_bytes;
    /** The caller's: a filter key, a type, an instrument. */
    uint64_t tag;
    /** The caller's. */
    uint16_t flags;
    /** Unused. */
    uint16_t reserved[3];
    /** What the library knows the loan by. */
    uint64_t id;
} ringbus_loan;

/** Consecutive messages of an exclusive topic that are being written where they will be read. */
typedef struct ringbus_run {
    /** How many messages. */
    size_t count;
    /** The length in bytes of each. */
    size_t payload_len_bytes;
    /** The tag that all will have; the caller's. */
    uint64_t tag;
    /** What the library knows the run by. */
    uint64_t id;
} ringbus_run;

/** Where a subscriber or observer starts to read. */
typedef struct ringbus_start {
    /** `RINGBUS_START_...`. */
    uint32_t kind;
    /** 0. */
    uint32_t reserved;
    /** What the kind asks for, else 0. */
    uint64_t value;
} ringbus_start;

/**
 * The messages that a subscriber wants: those that pass every test. All zeros but the size are all
 * messages. Start from ringbus_filter_init().
 */
typedef struct ringbus_filter {
    /** `sizeof(ringbus_filter)`, by which the library knows the fields that the caller has. */
    size_t size_bytes;
    /** `RINGBUS_FILTER_...`, or'ed. */
    uint32_t flags;
    /** Those of this publisher, with `RINGBUS_FILTER_PUBLISHER`. */
    uint32_t publisher;
    /** Those with one of these tags; NULL: any. */
    const uint64_t *tags;
    /** How many tags there are at `tags`; 0 where that is not NULL: no message has one. */
    size_t tag_count;
    /** Those of whose tag these bits... */
    uint64_t tag_mask;
    /** ... are like these. */
    uint64_t tag_value;
    /** Those of whose flags these bits... */
    uint16_t flags_mask;
    /** ... are like these. */
    uint16_t flags_value;
    /** 0. */
    uint32_t reserved;
    /** Every n-th of those that pass the other tests; 0 and 1: each. */
    uint64_t every;
    /** At most one in this time; 0: any number. */
    uint64_t interval_ns;
    /**
     * Those whose attributes match this policy, as JSON: an object in the grammar of Amazon SNS's filter
     * policies, such as `{"venue": ["XNYS"], "price": [{"numeric": [">", 100]}]}`. NULL: any.
     */
    const char *policy;
    /**
     * Those for whose payload this does not return 0; NULL: any. Asked after all other tests but
     * `every` and `interval_ns`, once for each message, by whichever thread polls or waits. The
     * subscriber is in use meanwhile: calls on it give `RINGBUS_BUSY`. It must return: no exception, no
     * longjmp.
     */
    int32_t (*payload_test)(void *context, const void *payload, size_t payload_len_bytes);
    /** What `payload_test` gets first; it must live as long as the subscriber. */
    void *payload_test_context;
} ringbus_filter;

/**
 * How a subscriber is to read. All zeros but the size are the defaults. Start from
 * ringbus_subscriber_options_init().
 */
typedef struct ringbus_subscriber_options {
    /** `sizeof(ringbus_subscriber_options)`, by which the library knows the fields that the caller has. */
    size_t size_bytes;
    /** `RINGBUS_LOSSY` or `RINGBUS_RELIABLE`. */
    uint32_t delivery;
    /** 0. */
    uint32_t reserved;
    /** The first message to read. */
    ringbus_start start;
    /**
     * Lets publishers evict this reliable subscriber if it holds them up for so long without moving.
     * Default: it is waited for as long as it takes.
     */
    uint64_t stall_timeout_ns;
    /** How long a wait spins before it sleeps; default 20 us. `RINGBUS_ZERO` saves the processor. */
    uint64_t spin_ns;
    /** The messages wanted; NULL: all. Others are skipped and counted. */
    const ringbus_filter *filter;
} ringbus_subscriber_options;

/** A message, where it lies in shared memory, or an observer's copy of one. */
typedef struct ringbus_message {
    /**
     * `payload_len_bytes` readable bytes; never NULL. Nobody changes them until the next call on the
     * handle that gave it, whichever that is: that call takes them back.
     */
    const void *payload;
    /** 0 is a message too. */
    size_t payload_len_bytes;
    /** Its position in the topic, never reused. */
    uint64_t sequence;
    /** The publisher's; 0 where the topic keeps none. */
    uint64_t tag;
    /**
     * `CLOCK_MONOTONIC` when it was sent; 0 where the topic keeps no time, or ticks of the processor:
     * then ringbus_subscriber_time() and ringbus_observer_time() tell.
     */
    uint64_t time_ns;
    /** The number of its publisher in the topic, or `RINGBUS_NO_PUBLISHER` where the topic keeps none. */
    uint32_t publisher;
    /** The publisher's; 0 where the topic keeps none. */
    uint16_t flags;
    /** 0. */
    uint16_t reserved;
} ringbus_message;

/**
 * How many topics are to be read. All zeros but the size are the defaults. Start from
 * ringbus_multi_options_init().
 */
typedef struct ringbus_multi_options {
    /** `sizeof(ringbus_multi_options)`, by which the library knows the fields that the caller has. */
    size_t size_bytes;
    /** `RINGBUS_LOSSY` or `RINGBUS_RELIABLE`, on each topic. */
    uint32_t delivery;
    /** `RINGBUS_ORDER_...`. */
    uint32_t order;
    /**
     * The first message to read of each topic that exists; those that appear later are read from their
     * first message on.
     */
    ringbus_start start;
    /** As for a subscriber, on each topic. */
    uint64_t stall_timeout_ns;
    /** As for a subscriber. */
    uint64_t spin_ns;
    /** The messages wanted of each topic; NULL: all. A sample is one of each topic. */
    const ringbus_filter *filter;
} ringbus_multi_options;

/** A message and where it is from. */
typedef struct ringbus_multi_message {
    /** The message. Its time is there even where the topic keeps ticks. */
    ringbus_message message;
    /** The name of its topic, valid as long as the message. */
    const char *topic;
    /** The patterns that the topic matches, by their indices, in order; valid as long as the message. */
    const size_t *patterns;
    /** How many. */
    size_t pattern_count;
} ringbus_multi_message;

/** One topic of a multi subscriber, as it stands. */
typedef struct ringbus_multi_topic {
    /** Bytes of this struct in the library's version. */
    size_t size_bytes;
    /** Its name. */
    const char *name;
    /** The sequence of its next message. */
    uint64_t cursor;
    /** Messages published and not handed out yet. */
    uint64_t lag;
    /** Messages missed. */
    uint64_t lagged;
    /** Messages that the filter did not want. */
    uint64_t skipped;
} ringbus_multi_topic;

/** What to call with the messages of the topics that match a pattern. */
typedef struct ringbus_handler {
    /** As for ringbus_pattern_matches(). */
    const char *pattern;
    /**
     * Gets each message, which is valid until it returns, and whose attributes ringbus_handler_attribute()
     * and ringbus_handler_attributes() have. Returns `RINGBUS_HANDLED`, or why not: any other number is
     * `RINGBUS_HANDLER_FAILED`; it may let `*words` be a text, which must stay for a moment, as that of a
     * literal or a thread-local buffer does. It must return: no exception, no longjmp. With several
     * threads it may be called by several at once, for different topics.
     */
    int32_t (*handle)(void *context, const ringbus_multi_message *message, const char **words);
    /** What `handle` gets first; it must live as long as the dispatcher. */
    void *context;
} ringbus_handler;

/** Something that went wrong in a dispatcher. Valid until the function that gets it returns. */
typedef struct ringbus_trouble {
    /** Bytes of this struct in the library's version. */
    size_t size_bytes;
    /** `RINGBUS_TROUBLE_...`; others may come with later versions. */
    uint32_t kind;
    /** What a poll of the topic would have returned; `RINGBUS_OK` where a handler is to blame. */
    ringbus_code code;
    /** The topic; NULL where it is about none. */
    const char *topic;
    /** The message that was handled. */
    uint64_t sequence;
    /** The pattern of the handler; NULL where it is about none. */
    const char *pattern;
    /** What happened, in words. */
    const char *words;
    /** Messages that were overwritten before they could be handled. */
    uint64_t missed;
} ringbus_trouble;

/**
 * How a dispatcher is to be. All zeros but the size are the defaults. Start from
 * ringbus_dispatcher_options_init().
 */
typedef struct ringbus_dispatcher_options {
    /** `sizeof(ringbus_dispatcher_options)`, by which the library knows the fields that the caller has. */
    size_t size_bytes;
    /**
     * How many threads of its own are to call handlers, each for a share of the topics, at most 1024; 0: those that call
     * ringbus_dispatcher_run() or ringbus_dispatcher_drain() do.
     */
    uint32_t threads;
    /** `RINGBUS_LOSSY` or `RINGBUS_RELIABLE`, on each topic. */
    uint32_t delivery;
    /** `RINGBUS_ORDER_...`, among the topics of each thread. */
    uint32_t order;
    /** 0. */
    uint32_t reserved;
    /**
     * The first message to handle of each topic that exists; those that appear later are read from their
     * first message on.
     */
    ringbus_start start;
    /** As for a subscriber, on each topic. */
    uint64_t stall_timeout_ns;
    /** The messages wanted of each topic; NULL: all. Without a `payload_test`, which is the handler's. */
    const ringbus_filter *filter;
    /**
     * Gets all that goes wrong, in addition to its being counted; NULL: nobody does. Called by one thread
     * at a time. Returns 0; anything else counts as an exception. It must return: no exception, no
     * longjmp.
     */
    int32_t (*on_trouble)(void *context, const ringbus_trouble *trouble);
    /** What `on_trouble` gets first; it must live as long as the dispatcher. */
    void *on_trouble_context;
} ringbus_dispatcher_options;

/** What became of the messages so far. */
typedef struct ringbus_dispatched {
    /** Messages that were handed to handlers. */
    uint64_t messages;
    /** Calls of handlers that went well. */
    uint64_t handled;
    /** Calls that failed. */
    uint64_t failed;
    /** Calls that were ended by an exception. */
    uint64_t threw;
    /** Messages that were overwritten before they could be handled. */
    uint64_t missed;
} ringbus_dispatched;

/** The type of requests or replies. All zeros are untyped bytes, as which every service can be used. */
typedef struct ringbus_type {
    /** The same name in every program, `[Name]` for messages of several values; NULL for bytes. */
    const char *name;
    /** The size in bytes of one value. */
    uint64_t size_bytes;
    /** Its alignment in bytes. */
    uint64_t alignment_bytes;
} ringbus_type;

/**
 * How a client is to be. All zeros but the size are the defaults. Start from
 * ringbus_client_options_init().
 */
typedef struct ringbus_client_options {
    /** `sizeof(ringbus_client_options)`, by which the library knows the fields that the caller has. */
    size_t size_bytes;
    /**
     * `RINGBUS_LOSSY`, the default: a client that is a ring of replies behind is told
     * `RINGBUS_REPLIES_LOST`. `RINGBUS_RELIABLE`: servers wait for it, up to a second.
     */
    uint32_t delivery;
    /** 0. */
    uint32_t reserved;
    /** As for a subscriber. */
    uint64_t spin_ns;
    /** What it sends; `RINGBUS_MISMATCH` where the service takes another type. */
    ringbus_type request_type;
    /** What it gets. */
    ringbus_type reply_type;
} ringbus_client_options;

/** An answer, or a part of one: a copy. Valid until the next call on the client that gave it. */
typedef struct ringbus_reply {
    /** `payload_len_bytes` readable bytes; NULL where there is no reply. */
    const void *payload;
    /** 0 is a reply too. */
    size_t payload_len_bytes;
    /** Why there is none; NULL where there is. */
    const char *why;
    /** The number of the server, or `RINGBUS_UNKNOWN_SERVER`. */
    uint32_t server;
    /** `RINGBUS_OK`, or what a call of that server alone would have returned. */
    ringbus_code code;
} ringbus_reply;

/**
 * How a server is to be. All zeros but the size are the defaults. Whoever comes first to a service decides
 * its form, and a server that comes later must agree with what it sets: `RINGBUS_MISMATCH`. Start from
 * ringbus_server_options_init().
 */
typedef struct ringbus_server_options {
    /** `sizeof(ringbus_server_options)`, by which the library knows the fields that the caller has. */
    size_t size_bytes;
    /** Requests, and replies, that are kept: a power of two; default 4096. */
    uint64_t capacity_slots;
    /** The longest request, where they have no one length; default 1024. `RINGBUS_ZERO` for none. */
    uint64_t request_max_bytes;
    /** The longest reply, where they have no one length; default 1024. `RINGBUS_ZERO` for none. */
    uint64_t reply_max_bytes;
    /**
     * How long it may hold up clients while it does not poll; default a second. Then it misses requests,
     * and is told so.
     */
    uint64_t stall_timeout_ns;
    /** What it takes. */
    ringbus_type request_type;
    /** What it answers with. */
    ringbus_type reply_type;
} ringbus_server_options;

/** A request, where its client wrote it. */
typedef struct ringbus_request {
    /**
     * `payload_len_bytes` readable bytes; never NULL. Valid until the request is answered, or until the
     * next call on the server that is not ringbus_server_send() for this request.
     */
    const void *payload;
    /** 0 is a request too. */
    size_t payload_len_bytes;
    /** What the server knows it by, until it has answered. */
    uint64_t id;
} ringbus_request;

/** A topic that came or went. */
typedef struct ringbus_topic_event {
    /** `RINGBUS_TOPIC_APPEARED` or `RINGBUS_TOPIC_VANISHED`; others may come with later versions. */
    uint32_t kind;
    /** 0. */
    uint32_t reserved;
    /** The topic's name. Valid until the next call on the watch. */
    const char *name;
} ringbus_topic_event;

/** One publisher of a topic, or one that died and whose place nobody has taken over yet. */
typedef struct ringbus_publisher_info {
    /** Bytes of this struct in the library's version. */
    size_t size_bytes;
    /** Its number in the topic, which its messages carry. */
    uint32_t id;
    /** Its process, as it sees itself; 0 if unknown. */
    uint32_t pid;
    /** The name of its process. */
    const char *process;
    /** Whether it lives: 1 or 0. */
    uint32_t alive;
    /** 0. */
    uint32_t reserved;
    /** Messages published from this place, by predecessors as well. */
    uint64_t published;
    /** Payload bytes published from this place. */
    uint64_t bytes;
    /** Publishes refused because the topic was full. */
    uint64_t full;
    /** Publishes that waited because the topic was full. */
    uint64_t waited;
} ringbus_publisher_info;

/** One registered subscriber of a topic, or one that died and whom nobody has met yet. */
typedef struct ringbus_subscriber_info {
    /** Bytes of this struct in the library's version. */
    size_t size_bytes;
    /** Its number in the topic. */
    uint32_t id;
    /** Its process, as it sees itself; 0 if unknown. */
    uint32_t pid;
    /** The name of its process. */
    const char *process;
    /** Whether it lives: 1 or 0. */
    uint32_t alive;
    /** `RINGBUS_LOSSY` or `RINGBUS_RELIABLE`. */
    uint32_t delivery;
    /** The sequence of the first message that it has not finished with. */
    uint64_t cursor;
    /** Messages published and not finished with. */
    uint64_t lag;
    /** Messages it missed, in all. */
    uint64_t lagged;
    /** How often it missed messages. */
    uint64_t lag_events;
    /** How often it was evicted. */
    uint64_t evictions;
    /** Messages that it holds, as far as publishers must know. */
    uint64_t holds;
} ringbus_subscriber_info;

/**
 * A topic's properties, participants and counters. Each number was true at some moment while it was
 * read; they are not one moment's picture. Counts never decrease, and survive the publishers that made
 * them.
 */
typedef struct ringbus_topic_info {
    /** Bytes of this struct in the library's version; fields past it are not there. */
    size_t size_bytes;
    /** Its name. */
    const char *name;
    /** `RINGBUS_EXCLUSIVE` or `RINGBUS_SHARED`. */
    uint32_t mode;
    /** `RINGBUS_TIME_...`. */
    uint32_t time;
    /** Whether messages carry tags and flags: 1 or 0. */
    uint32_t tags;
    /** Whether each payload has exactly `payload_max_bytes`: 1 or 0. */
    uint32_t payload_fixed;
    /** Slots in the ring. */
    uint64_t capacity_slots;
    /** The longest payload in bytes. */
    uint64_t payload_max_bytes;
    /** The alignment of payloads in bytes. */
    uint64_t alignment_bytes;
    /** Publishers at the same time. */
    uint64_t max_publishers;
    /** Registered subscribers at the same time. */
    uint64_t max_subscribers;
    /** Loans that one shared publisher may have out; 0 if exclusive. */
    uint64_t loans;
    /** Messages that one lossy subscriber may hold. */
    uint64_t pins;
    /** The type of the payload; NULL: untyped bytes. */
    const char *type_name;
    /** Its size in bytes, of one value. */
    uint64_t type_size_bytes;
    /** Its alignment in bytes. */
    uint64_t type_alignment_bytes;
    /** The name of the payload's encoding; "" if none was given. */
    const char *encoding;
    /** The schema of the payload. */
    const void *schema;
    /** Its length in bytes; 0 if none was given. */
    size_t schema_len_bytes;
    /** The sequence of the first message ever. */
    uint64_t first_sequence;
    /** The sequence of the oldest message that a newcomer can read. */
    uint64_t oldest;
    /** The sequence of the next message. */
    uint64_t next;
    /** Messages published. */
    uint64_t published;
    /** Payload bytes published. */
    uint64_t bytes;
    /** Publishes refused because the topic was full. */
    uint64_t full;
    /** Publishes that waited because the topic was full. */
    uint64_t waited;
    /** Reliable subscribers evicted. */
    uint64_t evicted;
    /** Bytes of memory that the topic takes. */
    uint64_t memory_bytes;
    /** The number of the user to whom the topic belongs. */
    uint32_t owner;
    /** Who may use it besides its owner, as in ringbus_bus_options. */
    uint32_t access;
    /** The number of the group meant there, or `RINGBUS_NO_GROUP`. */
    uint32_t group;
    /** 1: its ring was made on huge pages. */
    uint32_t huge_pages;
    /** Who publishes: `publisher_count` pointers. */
    const ringbus_publisher_info *const *publishers;
    /** How many publishers. */
    size_t publisher_count;
    /**
     * Who is registered to read: `subscriber_count` pointers; none where this process may not read
     * the topic's cursors.
     */
    const ringbus_subscriber_info *const *subscribers;
    /** How many subscribers. */
    size_t subscriber_count;
    /** Room for the attributes of each message, in bytes; 0 where none are kept. */
    uint64_t attributes_max_bytes;
} ringbus_topic_info;

/** A process that takes part in a bus, now or until it died. */
typedef struct ringbus_participant_info {
    /** Bytes of this struct in the library's version. */
    size_t size_bytes;
    /** Its process id, as it sees it itself. */
    uint32_t pid;
    /** Whether it lives: 1 or 0. */
    uint32_t alive;
    /** The name of its program. */
    const char *process;
} ringbus_participant_info;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the library, "major.minor.patch"; `RINGBUS_VERSION_MAJOR` and so on are those of the
 * header. Never NULL, never to be freed.
 */
const char *ringbus_version(void);

/**
 * What a code means, in a few words. Never NULL, never to be freed; a number that is no code gives
 * "unknown code".
 */
const char *ringbus_strerror(int32_t code);

/**
 * What failed last on this thread, where, and what to do about it. Never NULL: "" before the first
 * failure. A success does not clear it. Valid until the next failure on this thread, or its end.
 */
const char *ringbus_last_error(void);

/**
 * The facts of what failed last on this thread: how many messages were missed, who holds the topic
 * full. Set `failure->size_bytes` to `sizeof *failure` first; as much is written as fits.
 */
ringbus_code ringbus_last_failure(ringbus_failure *failure);

/**
 * This moment by the clock of publish times, `CLOCK_MONOTONIC`, in nanoseconds: for `RINGBUS_START_TIME`,
 * and to tell how old a message is.
 */
ringbus_code ringbus_now(uint64_t *time_ns);

/**
 * Whether a pattern stands for the topic of this name, among others: in a pattern a level `*` stands
 * for any one level, and a last level `>` for one or more. `*matches` gets 1 or 0. `RINGBUS_INVALID_ARGUMENT` for
 * what is no pattern.
 */
ringbus_code ringbus_pattern_matches(const char *pattern,
                                     const char *name,
                                     int32_t *matches);

/** How many handles this process has open, of all kinds: 0 at the end of a program that leaks none. */
size_t ringbus_open_handles(void);

/**
 * Opens the bus `name`, creating it where it is not there. NULL is the bus "default"; a name has 1 to
 * 64 letters, digits, '.', '_' and '-', and no '.' first. NULL `options` are the defaults.
 *
 * `*bus` is the caller's to close. What a process that dies leaves is taken back by the others: there
 * is nothing to clean up.
 *
 * `RINGBUS_NOT_FOUND` with `RINGBUS_BUS_EXISTING`; `RINGBUS_PERMISSION_DENIED` and others say in
 * ringbus_last_error() which file could not be used, and what to do.
 */
ringbus_code ringbus_bus_open(const char *name,
                              const ringbus_bus_options *options,
                              ringbus_bus **bus);

/**
 * Closes the bus; NULL does nothing. It and its topics stay for others, and for later, and topics,
 * publishers, subscribers and watches that were opened from it go on.
 */
ringbus_code ringbus_bus_close(ringbus_bus *bus);

/** The bus's name, "default" where none was given. Valid until the bus is closed. */
ringbus_code ringbus_bus_name(const ringbus_bus *bus, const char **name);

/**
 * The bus's directory. Whoever can reach it, and may by its mode, can use the bus. Valid until the bus
 * is closed.
 */
ringbus_code ringbus_bus_path(const ringbus_bus *bus,
                              const char **path);

/**
 * The bus's identity, drawn at random when it was created: the same in two processes exactly if they
 * share the bus, whatever their paths say.
 */
ringbus_code ringbus_bus_id(const ringbus_bus *bus,
                            uint64_t *id);

/**
 * Who may use the bus besides its owner: `*mode` as in ringbus_bus_options, and the number of the group
 * meant there, or `RINGBUS_NO_GROUP`.
 */
ringbus_code ringbus_bus_access(const ringbus_bus *bus,
                                uint32_t *mode,
                                uint32_t *group);

/**
 * Removes a topic and its messages. Its memory is freed when the last process that has it open lets
 * it go.
 *
 * `flags` are 0 or `RINGBUS_REMOVE_FORCE`. `RINGBUS_NOT_FOUND`; `RINGBUS_IN_USE` without force while a
 * publisher or subscriber lives (the dead and observers do not count). The topic is then as it was.
 */
ringbus_code ringbus_bus_remove(const ringbus_bus *bus,
                                const char *topic,
                                uint32_t flags);

/**
 * Takes back what dead processes left. Never needed for anybody's progress: whoever meets the dead
 * reaps them. Topics are not removed, even if nobody uses them. `collected` may be NULL.
 */
ringbus_code ringbus_bus_gc(const ringbus_bus *bus, ringbus_collected *collected);

/**
 * Removes the bus `name` with all its topics, whoever uses it. `options` say where it is; NULL are the
 * defaults. Whoever has it open goes on with what is open.
 */
ringbus_code ringbus_bus_destroy(const char *name,
                                 const ringbus_bus_options *options);

/**
 * Opens a topic that exists. NULL `options` take it as it is.
 *
 * `name` has levels separated by '/', in UTF-8, 255 bytes at most. `*topic` is the caller's to close;
 * it may outlive the bus's handle.
 *
 * `RINGBUS_NOT_FOUND`: wait for it with a watch, or create it. `RINGBUS_MISMATCH`: it is not as
 * `options` ask for; ringbus_last_error() says in what. `RINGBUS_INCOMPATIBLE`, `RINGBUS_CORRUPTED`:
 * it is of another release, or damaged.
 */
ringbus_code ringbus_topic_open(const ringbus_bus *bus,
                                const char *name,
                                const ringbus_topic_options *options,
                                ringbus_topic **topic);

/**
 * Creates a topic that does not exist: `RINGBUS_EXISTS`. Nobody sees it before it is whole; a creator
 * that dies leaves no topic. The rest is as for ringbus_topic_open().
 *
 * `RINGBUS_NO_SPACE`: shared memory has no room for it; nothing was made.
 */
ringbus_code ringbus_topic_create(const ringbus_bus *bus,
                                  const char *name,
                                  const ringbus_topic_options *options,
                                  ringbus_topic **topic);

/**
 * Opens a topic, or creates it where it does not exist. Of several processes that do so at the same
 * time one creates it, and all open the same. The rest is as for the two functions above.
 */
ringbus_code ringbus_topic_open_or_create(const ringbus_bus *bus,
                                          const char *name,
                                          const ringbus_topic_options *options,
                                          ringbus_topic **topic);

/** Closes the topic; NULL does nothing. Publishers, subscribers and observers opened from it go on. */
ringbus_code ringbus_topic_close(ringbus_topic *topic);

/**
 * Whether the topic was removed since it was opened: 1 or 0. Its handles go on among themselves;
 * whoever opens the name finds nothing, or another topic.
 */
ringbus_code ringbus_topic_is_removed(const ringbus_topic *topic, int32_t *is_removed);

/**
 * Whether a message with these attributes would pass a policy, as the `policy` of a ringbus_filter:
 * to try one before it is used. `*matches` gets 1 or 0.
 *
 * `RINGBUS_INVALID_ARGUMENT` for what is no policy: ringbus_last_error() says what is wrong and would
 * be right, ringbus_last_failure() in which line and column.
 */
ringbus_code ringbus_policy_matches(const char *policy,
                                    const ringbus_attribute *attributes,
                                    size_t attribute_count,
                                    int32_t *matches);

/**
 * Becomes a publisher of the topic: the only one, if the topic is exclusive.
 *
 * It takes over where a predecessor that died stopped: what that one did not commit was never there,
 * and sequences go on without a hole. `*publisher` is the caller's to close; it may outlive the
 * handles of topic and bus.
 *
 * `RINGBUS_PUBLISHER_EXISTS` while another publisher of an exclusive topic lives; the kernel ends the
 * claim of one that dies, so trying again later is enough. `RINGBUS_TOO_MANY_PUBLISHERS`,
 * `RINGBUS_REMOVED`, `RINGBUS_PERMISSION_DENIED`. Nothing has changed then.
 */
ringbus_code ringbus_publisher_open(const ringbus_topic *topic,
                                    ringbus_publisher **publisher);

/** Closes the publisher; NULL does nothing. What it has sent stays readable; its loans are aborted. */
ringbus_code ringbus_publisher_close(ringbus_publisher *publisher);

/**
 * Sends a copy of the `len_bytes` at `payload`, which may be NULL where `len_bytes` is 0.
 *
 * While the slowest reliable subscriber holds the topic full, waits for at most `timeout_ns`: 0 does
 * not wait, `RINGBUS_FOREVER` waits without an end. A subscriber that died is noticed within 50 ms.
 * `sequence` may be NULL; on success it gets the message's sequence. Makes no system call while nobody
 * waits or sleeps.
 *
 * On a failure nothing was sent. `RINGBUS_FULL`: ringbus_last_error() names who holds the topic, and
 * ringbus_last_failure() has it in numbers. `RINGBUS_TOO_LONG`, `RINGBUS_WRONG_SIZE`;
 * `RINGBUS_LOAN_OUTSTANDING` while the loan of an exclusive publisher is out.
 */
ringbus_code ringbus_publish(ringbus_publisher *publisher,
                             const void *payload,
                             size_t len_bytes,
                             uint64_t timeout_ns,
                             uint64_t *sequence);

/**
 * The same with a tag and flags, to which the bus gives no meaning: a filter key, a type, an
 * instrument. `RINGBUS_NOT_KEPT`: the topic keeps none.
 */
ringbus_code ringbus_publish_with(ringbus_publisher *publisher,
                                  const void *payload,
                                  size_t len_bytes,
                                  uint64_t tag,
                                  uint16_t flags,
                                  uint64_t timeout_ns,
                                  uint64_t *sequence);

/**
 * The same with all that may stand beside a payload: tag, flags and attributes.
 *
 * `RINGBUS_ATTRIBUTES_TOO_LONG`: the topic has less room for attributes; `RINGBUS_NOT_KEPT`: it keeps none.
 * `RINGBUS_INVALID_ARGUMENT` for an attribute that cannot be: ringbus_last_error() says which, and why.
 */
ringbus_code ringbus_publish_message(ringbus_publisher *publisher,
                                     const ringbus_outgoing *message,
                                     uint64_t timeout_ns,
                                     uint64_t *sequence);

/**
 * Sends copies of `count` messages in order, and looks for sleeping subscribers once. Waits for each
 * as ringbus_publish() does.
 *
 * `published` may be NULL; it gets how many were sent, on a failure too: those before the message that
 * failed. An attribute or a pointer that cannot be is found before any message is sent. On a shared
 * topic, messages of other publishers may come in between. A publisher that dies in the middle has sent
 * the first so many.
 */
ringbus_code ringbus_publish_batch(ringbus_publisher *publisher,
                                   const ringbus_outgoing *messages,
                                   size_t count,
                                   uint64_t timeout_ns,
                                   size_t *published);

/**
 * Sends copies of `count` messages of `len_bytes` each, which lie one after the other at `payloads`: an array
 * of them. For less than ringbus_publish_batch() costs, and otherwise as that does, without tags, flags and
 * attributes. `payloads` may be NULL where there are no bytes.
 */
ringbus_code ringbus_publish_array(ringbus_publisher *publisher,
                                   const void *payloads,
                                   size_t len_bytes,
                                   size_t count,
                                   uint64_t timeout_ns,
                                   size_t *published);

/**
 * Waits until `count` living subscribers have joined the topic, for at most `timeout_ns`.
 * `RINGBUS_TIMEOUT`: fewer were there until then. `RINGBUS_REMOVED`: the topic was removed, and fewer are
 * there. Observers do not count. Looks every millisecond.
 */
ringbus_code ringbus_publisher_wait_subscribers(ringbus_publisher *publisher,
                                                size_t count,
                                                uint64_t timeout_ns);

/** The publisher's number among those of its topic, which its messages carry; 0 on an exclusive topic. */
ringbus_code ringbus_publisher_id(ringbus_publisher *publisher,
                                  uint16_t *id);

/** Messages sent through this publisher's place in the topic, by predecessors as well. */
ringbus_code ringbus_publisher_published(ringbus_publisher *publisher, uint64_t *messages);

/**
 * Lends the place of the next message, `payload_len_bytes` long at most, to be written and then
 * committed. Waits while the topic is full as ringbus_publish() does.
 *
 * On an exclusive topic this is the next slot of the ring itself, and there can be one at a time. On a
 * shared topic there can be as many as the topic allows, committed in any order, which becomes the
 * order of the messages; one that is held for long holds up nobody. A process that dies with a loan
 * leaves no trace of it. Close the publisher, or abort the loan, and it is gone.
 *
 * `RINGBUS_FULL`, `RINGBUS_LOAN_OUTSTANDING`, `RINGBUS_LOAN_LIMIT`, `RINGBUS_TOO_LONG`,
 * `RINGBUS_WRONG_SIZE`: nothing is on loan then.
 */
ringbus_code ringbus_loan_open(ringbus_publisher *publisher,
                               size_t payload_len_bytes,
                               uint64_t timeout_ns,
                               ringbus_loan *loan);

/**
 * Sends the message. Never waits on an exclusive topic; on a shared one it waits while the topic is
 * full, for at most `timeout_ns`. `sequence` may be NULL.
 *
 * On success the loan is over: `loan->payload` is NULL then. On a failure it is as it was, to be
 * committed later or aborted. `RINGBUS_FULL`, `RINGBUS_NOT_KEPT`; `RINGBUS_NO_LOAN` for one that was
 * committed or aborted before, or is another publisher's; `RINGBUS_INVALID_ARGUMENT` for one that was
 * lengthened.
 */
ringbus_code ringbus_loan_commit(ringbus_publisher *publisher,
                                 ringbus_loan *loan,
                                 uint64_t timeout_ns,
                                 uint64_t *sequence);

/**
 * Sets the attributes that the message will have; earlier ones are forgotten. May be called as often as
 * one likes before the commit.
 *
 * `RINGBUS_NOT_KEPT`, `RINGBUS_ATTRIBUTES_TOO_LONG`, `RINGBUS_INVALID_ARGUMENT`, `RINGBUS_NO_LOAN`: then
 * nothing has changed.
 */
ringbus_code ringbus_loan_set_attributes(ringbus_publisher *publisher,
                                         const ringbus_loan *loan,
                                         const ringbus_attribute *attributes,
                                         size_t attribute_count);

/**
 * Gives the loan up: the message never was. `RINGBUS_NO_LOAN` for one that was committed or aborted
 * before, or is another publisher's.
 */
ringbus_code ringbus_loan_abort(ringbus_publisher *publisher, ringbus_loan *loan);

/**
 * Lends the places of the next `count` messages of an exclusive topic, each `payload_len_bytes` long.
 * Waits without an end while the topic is full.
 *
 * `RINGBUS_NO_RUNS` on a shared topic, `RINGBUS_RUN_TOO_LONG` for more messages than the ring has
 * slots, `RINGBUS_LOAN_OUTSTANDING`: nothing is on loan then.
 */
ringbus_code ringbus_run_open(ringbus_publisher *publisher,
                              size_t count,
                              size_t payload_len_bytes,
                              ringbus_run *run);

/**
 * Where to write message `index` of the run, counted from 0. Valid until the run is committed or
 * aborted.
 */
ringbus_code ringbus_run_payload(ringbus_publisher *publisher,
                                 const ringbus_run *run,
                                 size_t index,
                                 void **payload);

/**
 * Sends all messages of the run in order, with `run->tag`, and looks for sleeping subscribers once.
 * Never waits. `first_sequence` may be NULL. A process that dies in the middle has sent the first so
 * many.
 *
 * `RINGBUS_NO_LOAN`; `RINGBUS_NOT_KEPT` for a tag on a topic without: then the run is aborted.
 */
ringbus_code ringbus_run_commit(ringbus_publisher *publisher,
                                ringbus_run *run,
                                uint64_t *first_sequence);

/**
 * Gives the run up: its messages never were. `RINGBUS_NO_LOAN` for one that was committed or aborted
 * before, or is another publisher's.
 */
ringbus_code ringbus_run_abort(ringbus_publisher *publisher,
                               ringbus_run *run);

/**
 * Joins the topic as a subscriber. NULL `options` are the defaults.
 *
 * Everything published after it returns is delivered, or counted as missed. Works whether or not a
 * publisher is there. The place of a subscriber that died is taken over. `*subscriber` is the caller's
 * to close; it may outlive the handles of topic and bus.
 *
 * `RINGBUS_TOO_MANY_SUBSCRIBERS` until one leaves; `RINGBUS_NOT_YET` and `RINGBUS_NO_TIME` for
 * impossible starts; `RINGBUS_NOT_KEPT` for a filter by what the topic does not keep; `RINGBUS_REMOVED`; `RINGBUS_PERMISSION_DENIED` where this process may not write
 * the topic's cursors: an observer needs no such right.
 */
ringbus_code ringbus_subscriber_open(const ringbus_topic *topic,
                                     const ringbus_subscriber_options *options,
                                     ringbus_subscriber **subscriber);

/**
 * Closes the subscriber; NULL does nothing. What it was given is no longer valid. Publishers that wait
 * for it go on.
 */
ringbus_code ringbus_subscriber_close(ringbus_subscriber *subscriber);

/**
 * Takes the next message, without waiting, where its publisher wrote it. Nobody changes it until the
 * next call on this subscriber, whichever that is: that call takes it back.
 *
 * `RINGBUS_EMPTY`: none yet. `RINGBUS_LAGGED` and `RINGBUS_EVICTED`, once each time: messages were
 * lost, ringbus_last_failure() says how many, and the next poll goes on at the oldest that is kept.
 * `RINGBUS_CORRUPTED` and `RINGBUS_FORKED` come again.
 */
ringbus_code ringbus_subscriber_poll(ringbus_subscriber *subscriber,
                                     ringbus_message *message);

/**
 * Takes up to `max` of the next messages, without waiting, into the array at `messages`; `*count` gets
 * how many. All are valid until the next call on this subscriber, which takes them back and moves the
 * cursor once. A lossy subscriber, or one with a stall timeout, gets at most the topic's `pins`.
 *
 * `RINGBUS_EMPTY`, with a count of 0: none yet. The failures are those of ringbus_subscriber_poll();
 * the count is 0 then.
 */
ringbus_code ringbus_subscriber_poll_batch(ringbus_subscriber *subscriber,
                                           ringbus_message *messages,
                                           size_t max,
                                           size_t *count);

/**
 * Takes the newest message, unless it was read before, and skips everything in between, which does not
 * count as missed. The rest is as for ringbus_subscriber_poll(), but never `RINGBUS_LAGGED`.
 */
ringbus_code ringbus_subscriber_latest(ringbus_subscriber *subscriber,
                                       ringbus_message *message);

/**
 * When the message with this sequence, of the last poll, was published, in nanoseconds of
 * `CLOCK_MONOTONIC`. Takes nothing back. `RINGBUS_NO_MESSAGE`: the last poll gave no such message;
 * `RINGBUS_NO_TIME`: the topic keeps no times.
 */
ringbus_code ringbus_subscriber_time(ringbus_subscriber *subscriber,
                                     uint64_t sequence,
                                     uint64_t *time_ns);

/**
 * Sleeps until there is something to poll, for at most `timeout_ns`; `RINGBUS_TIMEOUT` if nothing
 * came. Something to poll may also be a failure. Spins first, then sleeps. Takes back what was given.
 */
ringbus_code ringbus_subscriber_wait(ringbus_subscriber *subscriber,
                                     uint64_t timeout_ns);

/** Takes back what was given now rather than at the next poll: publishers that wait for it go on. */
ringbus_code ringbus_subscriber_release(ringbus_subscriber *subscriber);

/**
 * Goes on at `start`. What lies between does not count as missed, except that a sequence which is no
 * longer retained makes the next poll say `RINGBUS_LAGGED`. Takes back what was given.
 *
 * `RINGBUS_NOT_YET`, `RINGBUS_NO_TIME`: then nothing has changed.
 */
ringbus_code ringbus_subscriber_seek(ringbus_subscriber *subscriber,
                                     ringbus_start start);

/**
 * The sequence of the next message that it will read, unless that one is gone by then. Takes back what
 * was given.
 */
ringbus_code ringbus_subscriber_cursor(ringbus_subscriber *subscriber,
                                       uint64_t *sequence);

/** Messages published and not read yet. Takes back what was given. */
ringbus_code ringbus_subscriber_lag(ringbus_subscriber *subscriber, uint64_t *messages);

/** How many messages this subscriber has lost in all. Takes back what was given. */
ringbus_code ringbus_subscriber_lagged(ringbus_subscriber *subscriber, uint64_t *messages);

/** How many messages its filter has skipped in all. Takes back what was given. */
ringbus_code ringbus_subscriber_skipped(ringbus_subscriber *subscriber, uint64_t *messages);

/**
 * Messages that publishers leave alone for it: a lossy subscriber keeps those of its last poll until
 * it polls or waits again, even when they were taken back. Takes back what was given.
 */
ringbus_code ringbus_subscriber_held(ringbus_subscriber *subscriber,
                                     uint64_t *messages);

/**
 * Starts to observe the topic. Needs read access to its ring only, and any number may do so.
 * `*observer` is the caller's to close; it may outlive the handles of topic and bus.
 *
 * `RINGBUS_NOT_YET` for a start in the future, `RINGBUS_NO_TIME` for one by time on a topic that keeps
 * none.
 */
ringbus_code ringbus_observer_open(const ringbus_topic *topic,
                                   ringbus_start start,
                                   ringbus_observer **observer);

/** Closes the observer; NULL does nothing. What it was given is no longer valid. */
ringbus_code ringbus_observer_close(ringbus_observer *observer);

/**
 * Takes a copy of the next message, without waiting. It is valid until the next call on this observer,
 * whichever that is.
 *
 * `RINGBUS_EMPTY`: none yet. `RINGBUS_LAGGED`: messages were overwritten before they could be copied,
 * ringbus_last_failure() says how many; the next poll goes on at the oldest that is kept.
 * `RINGBUS_CORRUPTED` and `RINGBUS_FORKED` come again.
 */
ringbus_code ringbus_observer_poll(ringbus_observer *observer,
                                   ringbus_message *message);

/**
 * Takes a copy of the newest message, unless it was read before, and skips everything in between, which
 * does not count as missed. The rest is as for ringbus_observer_poll(), but never `RINGBUS_LAGGED`.
 */
ringbus_code ringbus_observer_latest(ringbus_observer *observer,
                                     ringbus_message *message);

/**
 * Takes a copy of the newest message, whether or not it was read before: the current value of a topic that
 * is used as a blackboard, which takes no place among subscribers. What ringbus_observer_poll() reads next
 * does not change. The copy is valid until the next call on this observer.
 *
 * `RINGBUS_EMPTY`: nothing was ever published. `RINGBUS_LAGGED` only where publishers overwrote 65536
 * messages in a row, each while it was copied: give the topic more capacity.
 */
ringbus_code ringbus_observer_current(ringbus_observer *observer,
                                      ringbus_message *message);

/**
 * The same, but only if it is newer than the message with this sequence, else `RINGBUS_EMPTY`: a look at
 * two words then.
 */
ringbus_code ringbus_observer_changed_since(ringbus_observer *observer,
                                            uint64_t sequence,
                                            ringbus_message *message);

/**
 * When the message with this sequence, of the last poll, was published, in nanoseconds of
 * `CLOCK_MONOTONIC`. Takes nothing back. `RINGBUS_NO_MESSAGE`: the last poll gave no such message;
 * `RINGBUS_NO_TIME`: the topic keeps no times.
 */
ringbus_code ringbus_observer_time(ringbus_observer *observer,
                                   uint64_t sequence,
                                   uint64_t *time_ns);

/**
 * Waits until there is something to poll, for at most `timeout_ns`; `RINGBUS_TIMEOUT` if nothing came.
 * Looks again and again with pauses of up to 1 ms, since nobody knows that it waits. Takes back what
 * was given.
 */
ringbus_code ringbus_observer_wait(ringbus_observer *observer,
                                   uint64_t timeout_ns);

/**
 * The sequence of the next message that it will read, unless that one is gone by then. Takes back what
 * was given.
 */
ringbus_code ringbus_observer_cursor(ringbus_observer *observer,
                                     uint64_t *sequence);

/**
 * Messages published and not read yet; those that were overwritten meanwhile are among them until the
 * next poll tells. Takes back what was given.
 */
ringbus_code ringbus_observer_lag(ringbus_observer *observer,
                                  uint64_t *messages);

/** How many messages this observer has missed in all. Takes back what was given. */
ringbus_code ringbus_observer_lagged(ringbus_observer *observer, uint64_t *messages);

/**
 * The attributes of the message with this sequence, of the last poll: `*count` gets how many it has, and
 * up to `max` of them go to `attributes`, in the order in which they were set. They lie where the
 * message does, and are valid as long. Takes nothing back. `attributes` may be NULL where `max` is 0.
 *
 * `RINGBUS_NO_MESSAGE`: the last poll gave no such message.
 */
ringbus_code ringbus_subscriber_attributes(ringbus_subscriber *subscriber,
                                           uint64_t sequence,
                                           ringbus_attribute *attributes,
                                           size_t max,
                                           size_t *count);

/**
 * The attribute of one key, of the message with this sequence, of the last poll. It lies where the
 * message does, and is valid as long. Takes nothing back.
 *
 * `RINGBUS_ABSENT`: the message has none of this key. `RINGBUS_NO_MESSAGE`: the last poll gave no such
 * message.
 */
ringbus_code ringbus_subscriber_attribute(ringbus_subscriber *subscriber,
                                          uint64_t sequence,
                                          const char *key,
                                          ringbus_attribute *attribute);

/**
 * The attributes of the message with this sequence, of the last poll: `*count` gets how many it has, and
 * up to `max` of them go to `attributes`, in the order in which they were set. They are valid as long as
 * the copy. Takes nothing back. `attributes` may be NULL where `max` is 0.
 *
 * `RINGBUS_NO_MESSAGE`: the last poll gave no such message.
 */
ringbus_code ringbus_observer_attributes(ringbus_observer *observer,
                                         uint64_t sequence,
                                         ringbus_attribute *attributes,
                                         size_t max,
                                         size_t *count);

/**
 * The attribute of one key, of the message with this sequence, of the last poll. It is valid as long as
 * the copy. Takes nothing back.
 *
 * `RINGBUS_ABSENT`: the message has none of this key. `RINGBUS_NO_MESSAGE`: the last poll gave no such
 * message.
 */
ringbus_code ringbus_observer_attribute(ringbus_observer *observer,
                                        uint64_t sequence,
                                        const char *key,
                                        ringbus_attribute *attribute);

/** Makes an empty set. `*set` is the caller's to close; it may outlive the bus's handle. */
ringbus_code ringbus_wait_set_open(const ringbus_bus *bus, ringbus_wait_set **set);

/** Ends the set; its subscribers stay as they are. NULL does nothing. */
ringbus_code ringbus_wait_set_close(ringbus_wait_set *set);

/**
 * Adds a subscriber of the same bus, to be known by `token`; what was lent of it is given back. It is
 * used as before, and leaves the set when it is closed.
 */
ringbus_code ringbus_wait_set_add(const ringbus_wait_set *set,
                                  ringbus_subscriber *subscriber,
                                  uint64_t token);

/**
 * Adds a file descriptor, to be known by `token`: ready while it can be read, or has an error or an
 * end. The set has a copy of it until it is removed. Linux only.
 *
 * `RINGBUS_INVALID_ARGUMENT`: it is not open, or a regular file or directory, which nobody can wait for.
 */
ringbus_code ringbus_wait_set_add_fd(const ringbus_wait_set *set,
                                     int fd,
                                     uint64_t token);

/**
 * Takes out the subscriber or descriptor that is known by `token`. `RINGBUS_NOT_FOUND` where there is
 * none; a subscriber that was closed may still be found until the next wait.
 */
ringbus_code ringbus_wait_set_remove(const ringbus_wait_set *set,
                                     uint64_t token);

/**
 * Sleeps for at most `timeout_ns` until a member is ready, else `RINGBUS_TIMEOUT`. Writes the tokens
 * of up to `max` that are, and how many; none with `RINGBUS_OK` where it was interrupted. A subscriber
 * is ready for as long as its poll has something to say.
 */
ringbus_code ringbus_wait_set_wait(const ringbus_wait_set *set,
                                   uint64_t timeout_ns,
                                   size_t max,
                                   uint64_t *tokens,
                                   size_t *count);

/**
 * Ends the wait under way on another thread or, where there is none, the next one. May be called in a
 * signal handler.
 */
ringbus_code ringbus_wait_set_interrupt(const ringbus_wait_set *set);

/**
 * A descriptor for epoll, poll or select, which is the set's: it is readable when a member may be
 * ready. Then wait with no timeout; it stays readable until such a wait says `RINGBUS_TIMEOUT`. Nothing
 * else may be done with it. Linux only.
 */
ringbus_code ringbus_wait_set_fd(const ringbus_wait_set *set,
                                 int *fd);

/**
 * Subscribes to all topics whose names match one of `pattern_count` patterns, now and later. A topic that
 * matches several is read once. NULL `options` are the defaults.
 *
 * A topic that appears later is read from its first message on, and one that is removed to its end. Each
 * takes a place among its subscribers. What is wrong with a single topic is for the polls to tell.
 * `*subscriber` is the caller's to close; it may outlive the bus's handle.
 *
 * `RINGBUS_INVALID_ARGUMENT` for what is no pattern: see ringbus_pattern_matches().
 */
ringbus_code ringbus_multi_subscriber_open(const ringbus_bus *bus,
                                           const char *const *patterns,
                                           size_t pattern_count,
                                           const ringbus_multi_options *options,
                                           ringbus_multi_subscriber **subscriber);

/** Closes the subscriber; NULL does nothing. What it was given is no longer valid. */
ringbus_code ringbus_multi_subscriber_close(ringbus_multi_subscriber *subscriber);

/**
 * Takes the next message of any topic, without waiting, where its publisher wrote it. Nobody changes it
 * until the next call on this subscriber, whichever that is but for those that read its attributes: that
 * call takes it back.
 *
 * `RINGBUS_EMPTY`, only after a look for new topics. `RINGBUS_LAGGED` and `RINGBUS_EVICTED`, once each
 * time: the `topic` of ringbus_last_failure() has lost `missed` messages, and the next poll goes on. Other
 * failures come once for each topic that has to be left out, until it is made anew;
 * `RINGBUS_FORKED`, and that the bus cannot be watched any more, come again.
 */
ringbus_code ringbus_multi_subscriber_poll(ringbus_multi_subscriber *subscriber,
                                           ringbus_multi_message *message);

/**
 * Waits until there is something to poll, for at most `timeout_ns`; `RINGBUS_TIMEOUT` if nothing came.
 * Something to poll may also be a failure. Takes back what was given.
 */
ringbus_code ringbus_multi_subscriber_wait(ringbus_multi_subscriber *subscriber,
                                           uint64_t timeout_ns);

/** Takes back what was given now rather than at the next poll: publishers that wait for it go on. */
ringbus_code ringbus_multi_subscriber_release(ringbus_multi_subscriber *subscriber);

/**
 * The attributes of the message that the last poll gave: `*count` gets how many it has, and up to `max` of
 * them go to `attributes`. They are valid as long as the message, which is not taken back. `attributes`
 * may be NULL where `max` is 0.
 *
 * `RINGBUS_NO_MESSAGE`: the last poll gave none, or it was taken back.
 */
ringbus_code ringbus_multi_subscriber_attributes(ringbus_multi_subscriber *subscriber,
                                                 ringbus_attribute *attributes,
                                                 size_t max,
                                                 size_t *count);

/**
 * The attribute of one key, of the message that the last poll gave, valid as long as that, which is not
 * taken back. `RINGBUS_ABSENT`: it has none of this key. `RINGBUS_NO_MESSAGE`: there is none.
 */
ringbus_code ringbus_multi_subscriber_attribute(ringbus_multi_subscriber *subscriber,
                                                const char *key,
                                                ringbus_attribute *attribute);

/**
 * The topics that are read now, and how each stands: `*topics` are `*count` pointers. They and all that
 * they point to are the library's, and valid until the next call of this function on this subscriber, or
 * its end. Takes back what was given.
 */
ringbus_code ringbus_multi_subscriber_topics(ringbus_multi_subscriber *subscriber,
                                             const ringbus_multi_topic *const **topics,
                                             size_t *count);

/** Messages missed on all topics since it joined, those that are gone included. Takes back what was given. */
ringbus_code ringbus_multi_subscriber_lagged(ringbus_multi_subscriber *subscriber,
                                             uint64_t *messages);

/**
 * In a handler, the attributes of its message: `*count` gets how many it has, and up to `max` of them go to
 * `attributes`, which may be NULL where `max` is 0. They are valid as long as the message.
 * `RINGBUS_NO_MESSAGE` elsewhere.
 */
ringbus_code ringbus_handler_attributes(ringbus_attribute *attributes,
                                        size_t max,
                                        size_t *count);

/**
 * In a handler, the attribute of one key of its message, valid as long as that. `RINGBUS_ABSENT`: it has
 * none of this key. `RINGBUS_NO_MESSAGE` elsewhere.
 */
ringbus_code ringbus_handler_attribute(const char *key,
                                       ringbus_attribute *attribute);

/**
 * Begins to dispatch: a message is handed to each of the `handler_count` handlers whose pattern its topic
 * matches, in their order, and then given back. One that fails is counted and told of, and nothing else is
 * different for anybody. The messages of a topic are handled one after the other, in order. NULL `options`
 * are the defaults. `*dispatcher` is the caller's to close; it may outlive the bus's handle.
 *
 * `RINGBUS_INVALID_ARGUMENT` for what is no pattern; `RINGBUS_SYSTEM` where there are no more threads.
 */
ringbus_code ringbus_dispatcher_open(const ringbus_bus *bus,
                                     const ringbus_handler *handlers,
                                     size_t handler_count,
                                     const ringbus_dispatcher_options *options,
                                     ringbus_dispatcher **dispatcher);

/**
 * Ends the dispatcher; NULL does nothing. Waits for the handlers under way: when it returns, none is called
 * any more. With threads of its own, what was published before is handled. `RINGBUS_BUSY` in one of its
 * handlers.
 */
ringbus_code ringbus_dispatcher_close(ringbus_dispatcher *dispatcher);

/**
 * Calls handlers on this thread for `time_ns`. What is there by then stays for the next time.
 *
 * `RINGBUS_ENDED`: it was stopped. `RINGBUS_INVALID_ARGUMENT`: it has threads of its own.
 * `RINGBUS_FORKED`, and that the bus cannot be watched any more, come again; all else is trouble.
 */
ringbus_code ringbus_dispatcher_run(const ringbus_dispatcher *dispatcher, uint64_t time_ns);

/**
 * Calls handlers on this thread for everything that is there; `messages` may be NULL, and gets how many
 * messages that were. The failures are those of ringbus_dispatcher_run().
 */
ringbus_code ringbus_dispatcher_drain(const ringbus_dispatcher *dispatcher,
                                      uint64_t *messages);

/**
 * Handles what was published until now, ends the run under way or the threads, and says what became of all
 * messages. `dispatched` may be NULL. Called again it says the same.
 *
 * `RINGBUS_BUSY` in one of its handlers: let another thread stop it. Where threads were ended by a failure
 * before, this is told, and it is stopped.
 */
ringbus_code ringbus_dispatcher_stop(const ringbus_dispatcher *dispatcher,
                                     ringbus_dispatched *dispatched);

/** What became of the messages so far. `RINGBUS_BUSY` while another call runs or stops it. */
ringbus_code ringbus_dispatcher_dispatched(const ringbus_dispatcher *dispatcher,
                                           ringbus_dispatched *dispatched);

/**
 * Becomes a client of the service `name`, which a server has made. NULL `options` are the defaults.
 * `*client` is the caller's to close; it may outlive the bus's handle.
 *
 * `RINGBUS_NO_SERVER`: nobody ever served. `RINGBUS_MISMATCH`: its types are others.
 * `RINGBUS_TOO_MANY_PUBLISHERS` and `RINGBUS_TOO_MANY_SUBSCRIBERS` while 256 clients are there.
 */
ringbus_code ringbus_client_open(const ringbus_bus *bus,
                                 const char *name,
                                 const ringbus_client_options *options,
                                 ringbus_client **client);

/** Closes the client; NULL does nothing. What it was given is no longer valid; servers are not told. */
ringbus_code ringbus_client_close(ringbus_client *client);

/**
 * Sends a request of `len_bytes` at `request`, which may be NULL where that is 0, to one server, and waits
 * for the first reply, for at most `timeout_ns`.
 *
 * `RINGBUS_TIMEOUT`: none came in time. Without a reply: `RINGBUS_NO_SERVER`, at once, and nothing was
 * sent; `RINGBUS_SERVER_ENDED`, within 50 ms of the server's death, which may have done what it was asked
 * for; `RINGBUS_SERVER_FAILED`, and ringbus_last_error() has its words; `RINGBUS_NO_REPLY`,
 * `RINGBUS_REPLIES_LOST`. The `server` of ringbus_last_failure() says which.
 * `RINGBUS_FULL`, `RINGBUS_TOO_LONG`, `RINGBUS_WRONG_SIZE`: nothing was sent.
 */
ringbus_code ringbus_client_call(ringbus_client *client,
                                 const void *request,
                                 size_t len_bytes,
                                 uint64_t timeout_ns,
                                 ringbus_reply *reply);

/**
 * Sends a request to one server: of those that live, the one with the fewest calls of this client under
 * way. Waits only while the ring of requests is full. `*call` gets a number by which
 * ringbus_client_next() asks for the answer, until that has ended or ringbus_client_cancel().
 *
 * A server with which a call timed out, and was given up then, comes after all others until a reply of its
 * to this client arrives. It gets a request again after a second, and each time that was in vain after
 * twice as long, up to a minute.
 *
 * `RINGBUS_NO_SERVER`, at once; `RINGBUS_FULL`, `RINGBUS_TOO_LONG`, `RINGBUS_WRONG_SIZE`: nothing was sent.
 */
ringbus_code ringbus_client_send(ringbus_client *client,
                                 const void *request,
                                 size_t len_bytes,
                                 uint64_t timeout_ns,
                                 uint64_t *call);

/** The same to all servers that live: ringbus_client_next() gives the replies of all, as they come. */
ringbus_code ringbus_client_send_to_all(ringbus_client *client,
                                        const void *request,
                                        size_t len_bytes,
                                        uint64_t timeout_ns,
                                        uint64_t *call);

/**
 * The next reply to a call, for which it waits for at most `timeout_ns`.
 *
 * `RINGBUS_ENDED`: the answer has ended, and the call is over. `RINGBUS_TIMEOUT`: ask again, or cancel.
 * `RINGBUS_SERVER_ENDED` and `RINGBUS_SERVER_FAILED`, once for each server that will not answer.
 * `RINGBUS_REPLIES_LOST`: the call is over, and nobody knows whether there was an answer.
 * `RINGBUS_NO_CALL`: it was over before, or is another client's.
 */
ringbus_code ringbus_client_next(ringbus_client *client,
                                 uint64_t call,
                                 uint64_t timeout_ns,
                                 ringbus_reply *reply);

/**
 * Sends a request to all servers, and waits for the answers of all, for at most `timeout_ns`.
 *
 * `*replies` are `*count` of them: each reply, and for each server that has none, why; those that did not
 * answer in time have `RINGBUS_TIMEOUT`. They are the library's, and valid until the next call on this
 * client. The failures are those of ringbus_client_send(), and `RINGBUS_CORRUPTED` and `RINGBUS_FORKED`.
 */
ringbus_code ringbus_client_gather(ringbus_client *client,
                                   const void *request,
                                   size_t len_bytes,
                                   uint64_t timeout_ns,
                                   const ringbus_reply **replies,
                                   size_t *count);

/**
 * Ends a call: whatever comes for it is dropped. The server is not told. `RINGBUS_NO_CALL`: it was over
 * before, or is another client's.
 */
ringbus_code ringbus_client_cancel(ringbus_client *client,
                                   uint64_t call);

/** How many servers live, as the kernel says; 0 in a child of the process that opened it. */
ringbus_code ringbus_client_servers(ringbus_client *client, size_t *servers);

/**
 * Becomes a server of the service `name`: two topics, `name/requests` and `name/replies`, for any number of
 * clients and of servers. NULL `options` are the defaults. `*server` is the caller's to close; it may
 * outlive the bus's handle.
 *
 * `RINGBUS_MISMATCH`: the service is not as `options` ask for. `RINGBUS_TOO_MANY_PUBLISHERS` and
 * `RINGBUS_TOO_MANY_SUBSCRIBERS` while 256 servers are there. The rest is as for
 * ringbus_topic_open_or_create().
 */
ringbus_code ringbus_server_open(const ringbus_bus *bus,
                                 const char *name,
                                 const ringbus_server_options *options,
                                 ringbus_server **server);

/** Closes the server; NULL does nothing. Clients whose requests it has not answered are told so. */
ringbus_code ringbus_server_close(ringbus_server *server);

/** The server's number, by which clients know it. */
ringbus_code ringbus_server_id(ringbus_server *server, uint16_t *id);

/**
 * Takes the next request, without waiting. It stays open until it is answered, by ringbus_server_reply() or
 * its like, at any time and in any order; its payload is valid until the next call on this server that is
 * not about it.
 *
 * `RINGBUS_EMPTY`: none. `RINGBUS_EVICTED`: it did not poll for longer than its stall timeout while
 * clients waited; ringbus_last_failure() says how many requests it has missed, whomever they were for. The
 * next poll goes on. `RINGBUS_REMOVED`: the service's topics, or the bus, were removed, and no client is
 * left on them. That, `RINGBUS_CORRUPTED` and `RINGBUS_FORKED` come again.
 */
ringbus_code ringbus_server_poll(ringbus_server *server,
                                 ringbus_request *request);

/**
 * Waits until there is a request, for at most `timeout_ns`; `RINGBUS_TIMEOUT` if none came. Spins first,
 * then sleeps. The failures are those of ringbus_server_poll().
 */
ringbus_code ringbus_server_wait(ringbus_server *server,
                                 uint64_t timeout_ns);

/**
 * Sends a part of the answer to the request with this id; more follow, and at last one of the functions
 * below. The payload may be that of the request.
 *
 * `RINGBUS_TOO_LONG`, `RINGBUS_WRONG_SIZE`: the request is still open. `RINGBUS_NO_REQUEST`: it was
 * answered before, or is another server's.
 */
ringbus_code ringbus_server_send(ringbus_server *server,
                                 uint64_t request_id,
                                 const void *payload,
                                 size_t len_bytes);

/**
 * Answers a request, as the only reply or the last of several. The payload may be that of the request.
 *
 * `RINGBUS_TOO_LONG`, `RINGBUS_WRONG_SIZE`: the client is told that there is no answer, and the request is
 * over. `RINGBUS_NO_REQUEST`.
 */
ringbus_code ringbus_server_reply(ringbus_server *server,
                                  uint64_t request_id,
                                  const void *payload,
                                  size_t len_bytes);

/** Ends the answer to a request without a further reply. `RINGBUS_NO_REQUEST`. */
ringbus_code ringbus_server_finish(ringbus_server *server, uint64_t request_id);

/**
 * Says why there is no answer to a request, in up to 200 bytes; the rest is cut off. Its client gets
 * `RINGBUS_SERVER_FAILED`. `RINGBUS_NO_REQUEST`.
 */
ringbus_code ringbus_server_fail(ringbus_server *server,
                                 uint64_t request_id,
                                 const char *why);

/**
 * Starts to watch topics appear and vanish. `*watch` is the caller's to close; it may outlive the
 * bus's handle.
 */
ringbus_code ringbus_watch_open(const ringbus_bus *bus, ringbus_watch **watch);

/** Ends the watch; NULL does nothing. */
ringbus_code ringbus_watch_close(ringbus_watch *watch);

/**
 * The next event; sleeps for at most `timeout_ns` until there is one, else `RINGBUS_TIMEOUT`. A topic
 * that is removed and made anew between two looks is reported as both.
 */
ringbus_code ringbus_watch_next(ringbus_watch *watch,
                                uint64_t timeout_ns,
                                ringbus_topic_event *event);

/**
 * Tells what a topic is and how it fares. `*info` and all that it points to are the library's, and
 * valid until the next call of this function on this thread, or its end.
 */
ringbus_code ringbus_topic_describe(const ringbus_topic *topic,
                                    const ringbus_topic_info **info);

/**
 * Tells of all topics of a bus, by name. Files that are no topics, or that this process may not read,
 * are left out. `*topics` are `*count` pointers; they and all that they point to are the library's, and
 * valid until the next call of this function on this thread, or its end.
 */
ringbus_code ringbus_bus_topics(const ringbus_bus *bus,
                                const ringbus_topic_info *const **topics,
                                size_t *count);

/**
 * Tells which processes take part in a bus, through a publisher or subscriber, now or until they died.
 * A dead one stays in the list until somebody takes its place, or ringbus_bus_gc() frees it.
 * `*participants` are `*count` pointers; they and all that they point to are the library's, and valid
 * until the next call of this function on this thread, or its end.
 */
ringbus_code ringbus_bus_participants(const ringbus_bus *bus,
                                      const ringbus_participant_info *const **participants,
                                      size_t *count);

/**
 * Lists the buses that are where `options` say; NULL are the defaults. `*names` are `*count` pointers;
 * they and the names are the library's, and valid until the next call of this function on this thread,
 * or its end.
 */
ringbus_code ringbus_bus_names(const ringbus_bus_options *options,
                               const char *const **names,
                               size_t *count);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus
/* Makes and returns one that is zeros but for its own size. */
#define RINGBUS_SIZED_(type)                                                                       \
    type made;                                                                                     \
    memset(&made, 0, sizeof made);                                                                 \
    made.size_bytes = sizeof made;                                                                 \
    return made

/** Options that are all defaults. */
static inline ringbus_bus_options ringbus_bus_options_init(void) {
    RINGBUS_SIZED_(ringbus_bus_options);
}

/** Options that take a topic as it is, or its defaults. */
static inline ringbus_topic_options ringbus_topic_options_init(void) {
    RINGBUS_SIZED_(ringbus_topic_options);
}

/** Options that are all defaults. */
static inline ringbus_subscriber_options ringbus_subscriber_options_init(void) {
    RINGBUS_SIZED_(ringbus_subscriber_options);
}

/** Options that are all defaults. */
static inline ringbus_multi_options ringbus_multi_options_init(void) {
    RINGBUS_SIZED_(ringbus_multi_options);
}

/** Options that are all defaults. */
static inline ringbus_client_options ringbus_client_options_init(void) {
    RINGBUS_SIZED_(ringbus_client_options);
}

/** Options that are all defaults. */
static inline ringbus_server_options ringbus_server_options_init(void) {
    RINGBUS_SIZED_(ringbus_server_options);
}

/** Options that are all defaults. */
static inline ringbus_dispatcher_options ringbus_dispatcher_options_init(void) {
    RINGBUS_SIZED_(ringbus_dispatcher_options);
}

/** A filter that lets everything pass. */
static inline ringbus_filter ringbus_filter_init(void) {
    RINGBUS_SIZED_(ringbus_filter);
}

/** A place for ringbus_last_failure() to write to. */
static inline ringbus_failure ringbus_failure_init(void) {
    RINGBUS_SIZED_(ringbus_failure);
}

#undef RINGBUS_SIZED_

/** An attribute without a value, for those below. */
static inline ringbus_attribute ringbus_attribute_of(const char *key, uint32_t kind) {
    ringbus_attribute attribute;
    memset(&attribute, 0, sizeof attribute);
    attribute.key = key;
    attribute.key_len_bytes = strlen(key);
    attribute.kind = kind;
    return attribute;
}

/** A text that ends in NUL, which like the key must stay until it was published. */
static inline ringbus_attribute ringbus_attribute_text(const char *key, const char *text) {
    ringbus_attribute attribute = ringbus_attribute_of(key, RINGBUS_ATTRIBUTE_TEXT);
    attribute.data = text;
    attribute.data_len_bytes = strlen(text);
    return attribute;
}

/** Bytes that are no text, which like the key must stay until they were published. */
static inline ringbus_attribute ringbus_attribute_bytes(const char *key, const void *data,
                                                        size_t data_len_bytes) {
    ringbus_attribute attribute = ringbus_attribute_of(key, RINGBUS_ATTRIBUTE_BYTES);
    attribute.data = data;
    attribute.data_len_bytes = data_len_bytes;
    return attribute;
}

/** A whole number. */
static inline ringbus_attribute ringbus_attribute_int(const char *key, int64_t integer) {
    ringbus_attribute attribute = ringbus_attribute_of(key, RINGBUS_ATTRIBUTE_INT);
    attribute.integer = integer;
    return attribute;
}

/** A number with a fraction. */
static inline ringbus_attribute ringbus_attribute_float(const char *key, double real) {
    ringbus_attribute attribute = ringbus_attribute_of(key, RINGBUS_ATTRIBUTE_FLOAT);
    attribute.real = real;
    return attribute;
}

/** Yes (anything but 0) or no. */
static inline ringbus_attribute ringbus_attribute_bool(const char *key, int yes) {
    ringbus_attribute attribute = ringbus_attribute_of(key, RINGBUS_ATTRIBUTE_BOOL);
    attribute.integer = yes != 0;
    return attribute;
}

/** Whether an attribute is this text. */
static inline int ringbus_attribute_is_text(const ringbus_attribute *attribute, const char *text) {
    return attribute->kind == RINGBUS_ATTRIBUTE_TEXT && attribute->data_len_bytes == strlen(text) &&
           memcmp(attribute->data, text, attribute->data_len_bytes) == 0;
}

/** Where a reader starts: `kind` is RINGBUS_START_..., `value` what that asks for, else 0. */
static inline ringbus_start ringbus_start_at(uint32_t kind, uint64_t value) {
    ringbus_start start;
    start.kind = kind;
    start.reserved = 0;
    start.value = value;
    return start;
}

#endif  /* RINGBUS_H */
