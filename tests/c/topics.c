/*
 * Buses, topics and who is on them: what the functions do, compiled as C and as C++.
 *
 *   topics DIRECTORY
 *
 * Exits 0 only if everything held; says on stderr what did not.
 */
#include "check.h"

static void check_library(void) {
    ringbus_failure failure = ringbus_failure_init();
    uint64_t now = 0, later = 0;
    int32_t matches = 9;
    CHECK(strcmp(ringbus_last_error(), "") == 0);
    CHECK(strlen(ringbus_version()) >= 5);
    CHECK(strcmp(ringbus_strerror(RINGBUS_OK), "done") == 0);
    CHECK(strcmp(ringbus_strerror((ringbus_code)-1), "unknown code") == 0);
    CHECK(strcmp(ringbus_strerror(RINGBUS_ABSENT), "the message has no attribute of this key") == 0);
    OK(ringbus_now(&now));
    OK(ringbus_now(&later));
    CHECK(now > 0 && later >= now);
    OK(ringbus_pattern_matches("*/pose", "robot/pose", &matches));
    CHECK(matches == 1);
    OK(ringbus_pattern_matches("robot/>", "pose", &matches));
    CHECK(matches == 0);
    OK(ringbus_last_failure(&failure));
    CHECK(failure.code == RINGBUS_OK && failure.size_bytes == sizeof failure);
    CHECK(ringbus_open_handles() == 0);
}

static void check_bus(const char *directory) {
    ringbus_bus_options options = ringbus_bus_options_init();
    ringbus_bus *bus = NULL, *again = NULL;
    ringbus_collected collected;
    const char *name = NULL, *path = NULL;
    const char *const *names = NULL;
    const ringbus_participant_info *const *participants = NULL;
    uint64_t id = 0, other_id = 0;
    size_t count = 99;

    options.directory = directory;
    options.flags = RINGBUS_BUS_EXISTING;
    CHECK(ringbus_bus_open("plant", &options, &bus) == RINGBUS_NOT_FOUND);
    options.flags = 0;
    options.mode = 0600;
    OK(ringbus_bus_open("plant", &options, &bus));
    OK(ringbus_bus_open("plant", &options, &again));
    OK(ringbus_bus_name(bus, &name));
    OK(ringbus_bus_path(bus, &path));
    OK(ringbus_bus_id(bus, &id));
    OK(ringbus_bus_id(again, &other_id));
    CHECK(strcmp(name, "plant") == 0);
    CHECK(strncmp(path, directory, strlen(directory)) == 0);
    CHECK(id == other_id);
    OK(ringbus_bus_names(&options, &names, &count));
    CHECK(count == 1 && strcmp(names[0], "plant") == 0);
    OK(ringbus_bus_participants(bus, &participants, &count));
    CHECK(count == 0);
    OK(ringbus_bus_gc(bus, &collected));
    CHECK(collected.files == 0 && collected.subscribers == 0);
    OK(ringbus_bus_gc(bus, NULL));
    OK(ringbus_bus_participants(bus, &participants, &count));
    CHECK(count == 1 && participants[0]->alive && participants[0]->pid > 0);
    CHECK(strlen(participants[0]->process) > 0);
    OK(ringbus_bus_close(again));
    OK(ringbus_bus_close(bus));
    OK(ringbus_bus_destroy("plant", &options));
    OK(ringbus_bus_names(&options, &names, &count));
    CHECK(count == 0);
}

/* Who may use a bus and its topics. */
static void check_access(const char *directory) {
    ringbus_bus_options options = ringbus_bus_options_init();
    ringbus_topic_options asked = ringbus_topic_options_init();
    ringbus_bus *bus = NULL;
    ringbus_topic *topic = NULL;
    const ringbus_topic_info *info = NULL;
    uint32_t mode = 0, group = 0;

    options.directory = directory;
    options.mode = 0620;
    CHECK(ringbus_bus_open("access", &options, &bus) == RINGBUS_INVALID_ARGUMENT);
    options.mode = 0640;
    OK(ringbus_bus_open("access", &options, &bus));
    OK(ringbus_bus_access(bus, &mode, &group));
    CHECK(mode == 0640);
    asked.mode = 0660;
    CHECK(ringbus_topic_create(bus, "t", &asked, &topic) == RINGBUS_MISMATCH);
    CHECK(strstr(ringbus_last_error(), "may observe") != NULL);
    asked.mode = 0600;
    OK(ringbus_topic_create(bus, "t", &asked, &topic));
    OK(ringbus_topic_describe(topic, &info));
    CHECK(info->access == 0600);
    OK(ringbus_topic_close(topic));
    asked.mode = 0640;
    CHECK(ringbus_topic_open(bus, "t", &asked, &topic) == RINGBUS_MISMATCH);
    OK(ringbus_bus_close(bus));
}

static void check_topic(ringbus_bus *bus) {
    static const char schema[] = "struct pose { double x, y; };";
    ringbus_topic_options options = ringbus_topic_options_init();
    ringbus_topic *topic = NULL, *same = NULL;
    ringbus_publisher *publisher = NULL;
    ringbus_subscriber *subscriber = NULL;
    const ringbus_topic_info *info = NULL;
    const ringbus_topic_info *const *topics = NULL;
    size_t count = 0;
    int32_t is_removed = 1;

    CHECK(ringbus_topic_open(bus, "robot/pose", NULL, &topic) == RINGBUS_NOT_FOUND);
    options.publishers = RINGBUS_SHARED;
    options.capacity_slots = 16;
    options.payload_max_bytes = 64;
    options.alignment_bytes = 64;
    options.max_publishers = 3;
    options.max_subscribers = 5;
    options.loans = 2;
    options.pins = 4;
    options.first_sequence = 100;
    options.time = RINGBUS_TIME_CLOCK;
    options.wake_fence = RINGBUS_YES;
    options.type_name = "[Pose]";
    options.type_size_bytes = 16;
    options.type_alignment_bytes = 8;
    options.encoding = "raw";
    options.schema = schema;
    options.schema_len_bytes = sizeof schema;
    OK(ringbus_topic_create(bus, "robot/pose", &options, &topic));
    CHECK(ringbus_topic_create(bus, "robot/pose", &options, &same) == RINGBUS_EXISTS);
    OK(ringbus_topic_open(bus, "robot/pose", &options, &same));
    OK(ringbus_topic_close(same));
    same = NULL;
    options.capacity_slots = 32;
    CHECK(ringbus_topic_open_or_create(bus, "robot/pose", &options, &same) == RINGBUS_MISMATCH);
    options = ringbus_topic_options_init();
    options.type_name = "[Twist]";
    options.type_size_bytes = 16;
    options.type_alignment_bytes = 8;
    CHECK(ringbus_topic_open(bus, "robot/pose", &options, &same) == RINGBUS_MISMATCH);
    CHECK(strstr(ringbus_last_error(), "Twist") != NULL);
    CHECK(same == NULL);

    OK(ringbus_publisher_open(topic, &publisher));
    OK(ringbus_subscriber_open(topic, NULL, &subscriber));
    CHECK(ringbus_publish(publisher, "0123456789", 10, 0, NULL) == RINGBUS_WRONG_SIZE);
    OK(ringbus_publish(publisher, "0123456789abcdef", 16, 0, NULL));
    OK(ringbus_topic_describe(topic, &info));
    CHECK(info->size_bytes == sizeof *info);
    CHECK(strcmp(info->name, "robot/pose") == 0);
    CHECK(info->mode == RINGBUS_SHARED && info->time == RINGBUS_TIME_CLOCK && info->tags);
    CHECK(!info->payload_fixed && info->payload_max_bytes == 64 && info->alignment_bytes == 64);
    CHECK(info->capacity_slots == 16 && info->max_publishers == 3 && info->max_subscribers == 5);
    CHECK(info->loans == 2 && info->pins == 4);
    CHECK(info->first_sequence == 100 && info->oldest == 100 && info->next == 101);
    CHECK(strcmp(info->type_name, "[Pose]") == 0);
    CHECK(info->type_size_bytes == 16 && info->type_alignment_bytes == 8);
    CHECK(strcmp(info->encoding, "raw") == 0);
    CHECK(info->schema_len_bytes == sizeof schema && memcmp(info->schema, schema, sizeof schema) == 0);
    CHECK(info->published == 1 && info->bytes == 16 && info->memory_bytes > 4096);
    CHECK(info->publisher_count == 1 && info->publishers[0]->alive);
    CHECK(info->publishers[0]->published == 1 && info->publishers[0]->pid > 0);
    CHECK(info->subscriber_count == 1 && info->subscribers[0]->delivery == RINGBUS_LOSSY);
    CHECK(info->subscribers[0]->lag == 1 && info->subscribers[0]->alive);

    OK(ringbus_bus_topics(bus, &topics, &count));
    CHECK(count == 1 && strcmp(topics[0]->name, "robot/pose") == 0 && topics[0]->published == 1);
    OK(ringbus_topic_is_removed(topic, &is_removed));
    CHECK(is_removed == 0);
    CHECK(ringbus_bus_remove(bus, "robot/pose", 0) == RINGBUS_IN_USE);
    OK(ringbus_publisher_close(publisher));
    CHECK(ringbus_bus_remove(bus, "robot/pose", 0) == RINGBUS_IN_USE);
    OK(ringbus_bus_remove(bus, "robot/pose", RINGBUS_REMOVE_FORCE));
    CHECK(ringbus_bus_remove(bus, "robot/pose", 0) == RINGBUS_NOT_FOUND);
    OK(ringbus_topic_is_removed(topic, &is_removed));
    CHECK(is_removed == 1);
    CHECK(ringbus_publisher_open(topic, &publisher) == RINGBUS_REMOVED);
    OK(ringbus_subscriber_close(subscriber));
    OK(ringbus_topic_close(topic));
}

/* What the system does not grant is refused by what is missing. */
static void check_placement(ringbus_bus *bus) {
    ringbus_topic_options options = ringbus_topic_options_init();
    ringbus_topic *topic = NULL;
    ringbus_publisher *publisher = NULL;
    const ringbus_topic_info *info = NULL;
    ringbus_code code;

    options.capacity_slots = 64;
    options.payload_max_bytes = 64;
    options.prefault = RINGBUS_YES;
    options.lock_memory = RINGBUS_YES;
    code = ringbus_topic_create(bus, "placed", &options, &topic);
    CHECK(code == RINGBUS_OK || strstr(ringbus_last_error(), "ulimit -l") != NULL);
    if (code == RINGBUS_OK) {
        OK(ringbus_publisher_open(topic, &publisher));
        OK(ringbus_publish(publisher, "x", 1, 0, NULL));
        OK(ringbus_publisher_close(publisher));
        OK(ringbus_topic_describe(topic, &info));
        CHECK(info->huge_pages == 0);
        OK(ringbus_topic_close(topic));
        topic = NULL;
    }
    options.huge_pages = 7;
    CHECK(ringbus_topic_create(bus, "huge", &options, &topic) == RINGBUS_INVALID_ARGUMENT);
    options.huge_pages = RINGBUS_YES;
    CHECK(ringbus_topic_create(bus, "huge", &options, &topic) == RINGBUS_SYSTEM);
    CHECK(strstr(ringbus_last_error(), "larger capacity") != NULL);
    CHECK(ringbus_topic_open(bus, "huge", NULL, &topic) == RINGBUS_NOT_FOUND);
    options = ringbus_topic_options_init();
    options.huge_pages = RINGBUS_YES;
    options.capacity_slots = 65536;
    code = ringbus_topic_create(bus, "huge", &options, &topic);
    CHECK(code == RINGBUS_OK || code == RINGBUS_SYSTEM);
    if (code == RINGBUS_OK) {
        OK(ringbus_topic_describe(topic, &info));
        CHECK(info->huge_pages == 1);
        OK(ringbus_topic_close(topic));
    }
}

static void check_watch(ringbus_bus *bus) {
    ringbus_watch *watch = NULL;
    ringbus_topic_event event;
    ringbus_topic *topic = NULL;
    OK(ringbus_watch_open(bus, &watch));
    while (ringbus_watch_next(watch, 0, &event) == RINGBUS_OK) {
        CHECK(event.kind == RINGBUS_TOPIC_APPEARED);
    }
    OK(ringbus_topic_create(bus, "new", NULL, &topic));
    OK(ringbus_watch_next(watch, PATIENCE, &event));
    CHECK(event.kind == RINGBUS_TOPIC_APPEARED && strcmp(event.name, "new") == 0);
    OK(ringbus_topic_close(topic));
    OK(ringbus_bus_remove(bus, "new", 0));
    OK(ringbus_watch_next(watch, PATIENCE, &event));
    CHECK(event.kind == RINGBUS_TOPIC_VANISHED && strcmp(event.name, "new") == 0);
    CHECK(ringbus_watch_next(watch, MILLISECOND, &event) == RINGBUS_TIMEOUT);
    OK(ringbus_watch_close(watch));
}

int main(int argc, char **argv) {
    const char *directory = directory_of(argc, argv, NULL);
    ringbus_bus *bus;

    check_library();
    check_bus(directory);
    check_access(directory);
    bus = open_bus(directory);
    check_topic(bus);
    check_placement(bus);
    check_watch(bus);
    close_bus(bus);
    return 0;
}
