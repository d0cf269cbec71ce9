/*
 * net-worker/core/turn/channel.c with a virtual clock: firezone-tunnel(7),
 * Channel bindings and Relay cases (1 to 9).
 */
#include "net-worker/core/turn/channel.h"
#include "net-worker/core/turn/channel_data.h"
#include "tests/lib/unit.h"

#define MINUTE 60

static struct channels cs;

static struct mono
at(int64_t seconds)
{
	return (struct mono){ (1000 + seconds) * 1000000000 };
}

static struct endpoint
peer(unsigned i)
{
	struct endpoint e = { .ip = ip_v4(203, 0, 113, 7) };

	e.port = (uint16_t)(1000 + i);
	return e;
}

/* Every peer belongs to a client of its own. */
static struct turn_owner
owner(unsigned i)
{
	struct turn_owner o = { .connection = 7 };

	memcpy(o.client.bytes, &i, sizeof(i));
	return o;
}

static struct channel *
take_at(unsigned client, unsigned i, struct mono when)
{
	struct turn_owner o = owner(client);
	struct endpoint e = peer(i);

	return channels_take(&cs, when, &e, &o);
}

static struct channel *
take_for(unsigned client, unsigned i, int64_t when)
{
	return take_at(client, i, at(when));
}

static struct channel *
take(unsigned i, int64_t when)
{
	return take_for(i, i, when);
}

static struct channel *
confirm(unsigned i, int64_t when)
{
	struct channel *c = take(i, when);

	assert_non_null(c);
	channel_confirm(&cs, c, at(when));
	return c;
}

static struct channel *
due(int64_t when)
{
	size_t from = 0;

	return channels_due(&cs, at(when), &from);
}

static int
set_up(void **state)
{
	(void)state;
	return channels_init(&cs) ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	channels_free(&cs);
	return 0;
}

static void
numbers_count_up(void **state)
{
	(void)state;
	assert_int_equal(take(0, 0)->number, 0x4000);
	assert_int_equal(take(1, 0)->number, 0x4001);
	assert_int_equal(take(0, 0)->number, 0x4000);
	assert_int_equal(take(2, 0)->number, 0x4002);
}

static size_t
take_all_it_gets(unsigned client, unsigned first, int64_t when)
{
	size_t n = 0;

	while (n < CHANNELS_MAX &&
	    take_for(client, first + (unsigned)n, when) != NULL)
		n++;
	return n;
}

/* What one client may have is little, and there is always some for another. */
static void
every_client_has_a_share(void **state)
{
	struct turn_owner o = owner(0);
	struct endpoint e = peer(20000);
	unsigned peers = 0;

	(void)state;
	assert_int_equal(
	    take_all_it_gets(0, 0, 0), CHANNELS_OF_CONNECTION);
	/* Its own are still its own, and so they are for fifteen minutes. */
	assert_int_equal(take_for(0, 3, 1)->number, 0x4003);
	assert_null(take_for(0, 40, 15 * MINUTE - 2));
	o.connection = 8;
	assert_non_null(channels_take(&cs, at(2), &e, &o));
	for (unsigned client = 1; client < 300; client++) {
		size_t got = take_all_it_gets(client, 100 + peers, 3);

		assert_true(got >= (client < 60 ? 16 : 1));
		peers += 100;
	}
	assert_non_null(take_for(0, 40, 15 * MINUTE + 3));
}

static void
confirm_all(unsigned client, unsigned first, unsigned count, int64_t when)
{
	for (unsigned i = 0; i < count; i++)
		channel_confirm(
		    &cs, take_for(client, first + i, when), at(when));
}

/* Of who roams, say: what nothing comes by keeps none from getting another. */
static void
the_unused_give_way(void **state)
{
	(void)state;
	assert_int_equal(take_all_it_gets(0, 0, 0), 32);
	confirm_all(0, 0, 32, 0);
	for (unsigned i = 0; i < 31; i++)
		channel_note_received(&cs, take_for(0, i, 1));
	assert_null(take_for(0, 50, CHANNEL_UNUSED_S - 2));
	assert_non_null(take_for(0, 50, CHANNEL_UNUSED_S));
	/* But for the one that is new. */
	assert_null(take_for(0, 51, CHANNEL_UNUSED_S + 2));
	/* It has the same number all the while. */
	assert_int_equal(take_for(0, 31, CHANNEL_UNUSED_S + 2)->number, 0x401f);
	assert_int_equal(take_for(0, 50, CHANNEL_UNUSED_S + 2)->number, 0x4020);
}

/* However few it uses: the relay keeps them all for fifteen minutes. */
static void
the_unused_are_not_without_end(void **state)
{
	unsigned got = 0, more;
	int64_t when = 0;

	(void)state;
	do {
		more = (unsigned)take_all_it_gets(0, got, when);
		confirm_all(0, got, more, when);
		got += more;
		when += CHANNEL_UNUSED_S;
	} while (more > 0);
	assert_int_equal(got, CHANNELS_OF_CONNECTION_EVER);
	assert_null(take_for(0, 500, 15 * MINUTE - 2));
	assert_non_null(take_for(0, 500, 15 * MINUTE));
}

/* Which spares counting all channels for each packet of one that had enough. */
static void
a_refusal_is_remembered_for_a_second(void **state)
{
	struct mono refused = mono_add_ms(at(15 * MINUTE), -1);
	struct turn_owner o = owner(0);
	struct endpoint e = peer(40);

	(void)state;
	take_all_it_gets(0, 0, 0);
	assert_null(channels_take(&cs, refused, &e, &o));
	assert_null(channels_take(&cs, mono_add_ms(refused, 999), &e, &o));
	assert_non_null(channels_take(&cs, mono_add_ms(refused, 1000), &e, &o));
	take_all_it_gets(0, 0, 15 * MINUTE);
	channels_clear(&cs);
	assert_non_null(take_for(0, 40, 15 * MINUTE));
}

/* Of each owner, however many take turns. */
static void
refusals_of_many_are_remembered(void **state)
{
	struct mono before = mono_add_ms(at(15 * MINUTE), -1);
	struct mono later = mono_add_ms(before, 999);

	(void)state;
	for (unsigned client = 0; client < 10; client++)
		take_all_it_gets(client, client * 100, 0);
	for (unsigned client = 0; client < 10; client++)
		assert_null(take_at(client, 5000, before));
	for (unsigned client = 0; client < 10; client++)
		assert_null(take_at(client, 5000, later));
	/* One with the same place in the table is another one. */
	assert_non_null(take_at(CHANNEL_REFUSALS, 5000, later));
	later = mono_add_ms(before, 1000);
	for (unsigned client = 0; client < 10; client++)
		assert_non_null(take_at(client, 6000 + client, later));
}

/* For whoever asks: counting tells nothing new. */
static void
a_full_table_is_remembered_for_a_second(void **state)
{
	struct mono before = mono_add_ms(at(15 * MINUTE), -1);

	(void)state;
	for (unsigned i = 0; i < CHANNELS_MAX; i++)
		take(i, 0);
	assert_null(take_at(5000, 5000, before));
	assert_null(take_at(6000, 6000, mono_add_ms(before, 999)));
	/* Unless a number has become free since. */
	channel_forget(&cs, take(7, 0));
	assert_int_equal(take_at(6000, 6000, before)->number, 0x4007);
	assert_null(take_at(6001, 6001, before));
	assert_non_null(take_at(6001, 6001, mono_add_ms(before, 1000)));
}

static void
all_numbers_used(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CHANNELS_MAX; i++)
		assert_int_equal(take(i, 0)->number, 0x4000 + i);
	assert_null(take(CHANNELS_MAX, 0));
	assert_null(take(CHANNELS_MAX, 15 * MINUTE - 1));
	assert_int_equal(take(CHANNELS_MAX, 15 * MINUTE)->number, 0x4000);
	/* Its former peer has none any more, the others still have theirs. */
	assert_int_equal(take(0, 15 * MINUTE)->number, 0x4001);
	assert_int_equal(take(4095, 15 * MINUTE)->number, 0x4fff);
}

static void
old_numbers_wait_for_the_new(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++)
		confirm(i, 0);
	assert_int_equal(take(100, 20 * MINUTE)->number, 0x4000 + 100);
}

static void
recycling_goes_on_in_order(void **state)
{
	uint16_t first;

	(void)state;
	for (unsigned i = 0; i < CHANNELS_MAX - 1; i++)
		take(i, 0);
	take(CHANNELS_MAX - 1, 15 * MINUTE);
	first = take(5000, 15 * MINUTE)->number;
	assert_int_equal(first, 0x4000);
	assert_int_not_equal(take(5001, 30 * MINUTE)->number, first);
}

static void
not_for_others_before_fifteen_minutes(void **state)
{
	struct channel *c;

	(void)state;
	for (unsigned i = 0; i < CHANNELS_MAX; i++)
		confirm(i, 0);
	assert_null(take(5000, 10 * MINUTE + 1));
	assert_null(take(5000, 15 * MINUTE - 1));
	/* Neither one with data, nor one with a bind outstanding. */
	c = take(0, 0);
	channel_note_received(&cs, c);
	take(1, 0)->in_flight = true;
	assert_int_equal(take(5000, 15 * MINUTE)->number, 0x4002);
}

static void
only_confirmed_channels_have_peers(void **state)
{
	(void)state;
	assert_null(channels_get(&cs, 0x4000));
	confirm(0, 0);
	assert_int_equal(channels_get(&cs, 0x4000)->peer.port, 1000);
	assert_null(channels_get(&cs, 0x4001));
	assert_null(channels_get(&cs, 0x3fff));
	assert_null(channels_get(&cs, 0x5000));
	assert_null(channels_get(&cs, 0));
	assert_null(channels_get(&cs, 0xffff));
}

static void
refresh_needs_data_and_age(void **state)
{
	struct channel *c;

	(void)state;
	c = confirm(0, 0);
	assert_null(due(6 * MINUTE));
	channel_note_sent(&cs, c);
	assert_null(due(6 * MINUTE));
	channel_note_received(&cs, c);
	assert_true(cs.deadline.ns == at(5 * MINUTE).ns);
	assert_null(due(4 * MINUTE));
	assert_null(due(5 * MINUTE - 1));
	assert_ptr_equal(due(5 * MINUTE), c);
}

static void
refresh_waits_for_the_one_in_flight(void **state)
{
	struct channel *c;

	(void)state;
	c = confirm(0, 0);
	channel_note_received(&cs, c);
	c->in_flight = true;
	assert_null(due(6 * MINUTE));
	c->in_flight = false;
	channel_confirm(&cs, c, at(6 * MINUTE));
	assert_null(due(12 * MINUTE));
	/* The data was before this confirmation. */
	assert_null(due(16 * MINUTE));
}

/* Its refresh was refused: nobody asks again for what was given up. */
static void
a_forgotten_channel_is_not_refreshed(void **state)
{
	struct channel *c;

	(void)state;
	c = confirm(0, 0);
	channel_note_received(&cs, c);
	channel_forget(&cs, c);
	assert_null(due(6 * MINUTE));
}

static void
standard_servers_need_earlier_refreshes(void **state)
{
	struct channel *c;

	(void)state;
	cs.permissions = true;
	c = confirm(0, 0);
	assert_null(due(240));
	assert_true(channel_usable(&cs, c, at(299)));
	assert_false(channel_usable(&cs, c, at(300)));
	channel_note_sent(&cs, c);
	assert_null(due(239));
	assert_ptr_equal(due(240), c);
}

static void
same_number_for_the_same_peer(void **state)
{
	(void)state;
	confirm(0, 0);
	confirm(1, 0);
	assert_int_equal(take(0, 12 * MINUTE)->number, 0x4000);
}

static void
use_ends_after_ten_minutes(void **state)
{
	struct channel *c;

	(void)state;
	c = take(0, 0);
	assert_false(channel_usable(&cs, c, at(0)));
	c->in_flight = true;
	assert_true(channel_usable(&cs, c, at(0)));
	c->in_flight = false;
	channel_confirm(&cs, c, at(0));
	assert_true(channel_usable(&cs, c, at(599)));
	assert_false(channel_usable(&cs, c, at(600)));
}

static void
expect_change(unsigned i, uint16_t number)
{
	struct endpoint e = { .port = 0 };
	uint16_t got = 1;

	assert_true(channels_change(&cs, &e, &got));
	assert_int_equal(e.port, 1000 + i);
	assert_int_equal(got, number);
}

static void
expect_no_change(void)
{
	struct endpoint e;
	uint16_t number;

	assert_false(channels_change(&cs, &e, &number));
}

static void
changes_are_told_once(void **state)
{
	struct channel *c;

	(void)state;
	c = take(0, 0);
	expect_no_change();
	channel_confirm(&cs, c, at(0));
	expect_change(0, 0x4000);
	expect_no_change();
	channel_confirm(&cs, c, at(60));
	expect_no_change();
	assert_null(due(659));
	expect_no_change();
	assert_true(cs.deadline.ns == at(660).ns);
	assert_null(due(660));
	expect_change(0, 0);
	assert_true(mono_is_never(cs.deadline));
	channel_confirm(&cs, c, at(700));
	expect_change(0, 0x4000);
	channel_forget(&cs, c);
	expect_change(0, 0);
	expect_no_change();
	assert_null(channels_get(&cs, 0x4000));
}

static void
a_number_taken_again_has_no_old_change(void **state)
{
	struct endpoint e = peer(0);

	(void)state;
	channel_forget(&cs, confirm(0, 0));
	assert_null(channels_find(&cs, &e));
	for (unsigned i = 1; i <= CHANNELS_MAX; i++)
		take(i, 0);
	expect_no_change();
}

static void
clear_forgets_all(void **state)
{
	struct endpoint e = peer(0);

	(void)state;
	channel_note_received(&cs, confirm(0, 0));
	channels_clear(&cs);
	expect_no_change();
	assert_null(channels_find(&cs, &e));
	assert_null(channels_get(&cs, 0x4000));
	assert_true(mono_is_never(cs.deadline));
	assert_int_equal(cs.used, 0);
	/* Late data of an old channel must not meet a new peer. */
	assert_int_equal(take(1, 0)->number, 0x4001);
}

static void
peers_differ_in_each_part(void **state)
{
	struct endpoint a = peer(0), b = peer(0), c = peer(1);
	struct turn_owner o = owner(0);

	(void)state;
	b.ip.bytes[3]++;
	assert_int_equal(channels_take(&cs, at(0), &a, &o)->number, 0x4000);
	assert_int_equal(channels_take(&cs, at(0), &b, &o)->number, 0x4001);
	assert_int_equal(channels_take(&cs, at(0), &c, &o)->number, 0x4002);
	a.ip.family = IP_V6;
	assert_null(channels_find(&cs, &a));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

/* What is inside when so many bytes come, of which the header says n. */
static size_t
inside_of(size_t len, uint16_t n)
{
	uint8_t data[16] = { 0x40, 0x01, 0, (uint8_t)n };
	uint16_t channel = 0;

	if (channel_data_open(data, &len, &channel) == 0)
		return SIZE_MAX;
	assert_int_equal(channel, 0x4001);
	return len;
}

/* With padding or without, but nothing else. */
static void
channel_data_lengths(void **state)
{
	(void)state;
	assert_int_equal(inside_of(3, 0), SIZE_MAX);
	assert_int_equal(inside_of(4, 0), 0);
	assert_int_equal(inside_of(5, 0), SIZE_MAX);
	assert_int_equal(inside_of(8, 0), SIZE_MAX);
	assert_int_equal(inside_of(4, 1), SIZE_MAX);
	assert_int_equal(inside_of(5, 1), 1);
	assert_int_equal(inside_of(6, 1), SIZE_MAX);
	assert_int_equal(inside_of(7, 1), SIZE_MAX);
	assert_int_equal(inside_of(8, 1), 1);
	assert_int_equal(inside_of(8, 3), 3);
	assert_int_equal(inside_of(8, 4), 4);
	assert_int_equal(inside_of(9, 4), SIZE_MAX);
	assert_int_equal(inside_of(12, 4), SIZE_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(numbers_count_up),
		TEST(every_client_has_a_share),
		TEST(the_unused_give_way),
		TEST(the_unused_are_not_without_end),
		TEST(a_refusal_is_remembered_for_a_second),
		TEST(refusals_of_many_are_remembered),
		TEST(a_full_table_is_remembered_for_a_second),
		TEST(all_numbers_used),
		TEST(old_numbers_wait_for_the_new),
		TEST(recycling_goes_on_in_order),
		TEST(not_for_others_before_fifteen_minutes),
		TEST(only_confirmed_channels_have_peers),
		TEST(refresh_needs_data_and_age),
		TEST(refresh_waits_for_the_one_in_flight),
		TEST(a_forgotten_channel_is_not_refreshed),
		TEST(standard_servers_need_earlier_refreshes),
		TEST(same_number_for_the_same_peer),
		TEST(use_ends_after_ten_minutes),
		TEST(changes_are_told_once),
		TEST(a_number_taken_again_has_no_old_change),
		TEST(clear_forgets_all),
		TEST(peers_differ_in_each_part),
		TEST(channel_data_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
