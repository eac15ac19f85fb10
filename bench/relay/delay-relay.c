/*
 * delay-relay - a TCP relay that holds every byte back for a fixed time, in both directions: distance, for machines whose
 * kernel has no netem.
 *
 * usage: delay-relay LISTEN_PORT TARGET_PORT DELAY_US
 *
 * Listens on 127.0.0.1, dials 127.0.0.1, prints "ready" when it listens. Adds delay, not a limit of bandwidth: up to 256 MiB may
 * be on the way in each direction, then the sender waits, as it would for a window. One thread; ends with SIGTERM.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PAIRS_MAX = 64, CHUNK_BYTES = 256 << 10 };
static const size_t ON_THE_WAY_MAX = (size_t)256 << 20;

struct chunk {
    struct chunk *next;
    uint64_t due_ns;
    size_t length, sent;
    unsigned char data[];
};

/* One direction of a connection: what was read from `from` and is not yet written to `to`, oldest first. */
struct way {
    int from, to;
    struct chunk *first, **last;
    size_t bytes;
    int ended;      /* `from` said end-of-file */
    int shut;       /* and `to` was told */
};

struct pair {
    struct way ways[2];
    int used;
};

static struct pair pairs[PAIRS_MAX];
static uint64_t delay_ns;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int tcp_socket(void)
{
    int one = 1, s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s < 0 || setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0)
        fail("socket");
    return s;
}

static struct sockaddr_in loopback(const char *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static void drop(struct pair *p)
{
    for (int d = 0; d < 2; d++) {
        while (p->ways[d].first != NULL) {
            struct chunk *c = p->ways[d].first;
            p->ways[d].first = c->next;
            free(c);
        }
    }
    close(p->ways[0].from);
    close(p->ways[1].from);
    memset(p, 0, sizeof *p);
}

static void add(int left, int right)
{
    for (int i = 0; i < PAIRS_MAX; i++) {
        struct pair *p = &pairs[i];
        if (p->used)
            continue;
        int one = 1, ends[2] = {left, right};
        for (int d = 0; d < 2; d++) {
            setsockopt(ends[d], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            p->ways[d] = (struct way){.from = ends[d], .to = ends[1 - d]};
            p->ways[d].last = &p->ways[d].first;
        }
        p->used = 1;
        return;
    }
    close(left);
    close(right);
}

/* Takes what there is. Returns 0 when the connection broke. */
static int take(struct way *w)
{
    struct chunk *c = malloc(sizeof *c + CHUNK_BYTES);
    if (c == NULL)
        fail("malloc");
    ssize_t n = recv(w->from, c->data, CHUNK_BYTES, MSG_DONTWAIT);
    if (n <= 0) {
        free(c);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        w->ended = 1;
        return 1;
    }
    struct chunk *fit = realloc(c, sizeof *c + (size_t)n);
    c = fit != NULL ? fit : c;
    *c = (struct chunk){.due_ns = now_ns() + delay_ns, .length = (size_t)n};
    *w->last = c;
    w->last = &c->next;
    w->bytes += (size_t)n;
    return 1;
}

/* Writes what is due. Returns 0 when the connection broke, else sets `blocked` if the socket is full. */
static int give(struct way *w, uint64_t now, int *blocked)
{
    *blocked = 0;
    while (w->first != NULL && w->first->due_ns <= now) {
        struct chunk *c = w->first;
        ssize_t n = send(w->to, c->data + c->sent, c->length - c->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) {
            *blocked = errno == EAGAIN;
            return errno == EAGAIN || errno == EINTR;
        }
        c->sent += (size_t)n;
        w->bytes -= (size_t)n;
        if (c->sent < c->length)
            continue;
        w->first = c->next;
        if (w->first == NULL)
            w->last = &w->first;
        free(c);
    }
    if (w->ended && w->first == NULL && !w->shut) {
        shutdown(w->to, SHUT_WR);
        w->shut = 1;
    }
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: delay-relay LISTEN_PORT TARGET_PORT DELAY_US\n");
        return 2;
    }
    delay_ns = strtoull(argv[3], NULL, 10) * 1000u;
    struct sockaddr_in here = loopback(argv[1]), there = loopback(argv[2]);
    int server = tcp_socket();
    if (bind(server, (struct sockaddr *)&here, sizeof here) < 0 || listen(server, 16) < 0)
        fail("listen");
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        struct pollfd polls[1 + 2 * PAIRS_MAX];
        struct way *of[1 + 2 * PAIRS_MAX];
        nfds_t count = 1;
        uint64_t next = UINT64_MAX;
        polls[0] = (struct pollfd){.fd = server, .events = POLLIN};
        for (int i = 0; i < PAIRS_MAX; i++) {
            for (int d = 0; pairs[i].used && d < 2; d++) {
                struct way *w = &pairs[i].ways[d], *back = &pairs[i].ways[1 - d];
                uint64_t now = now_ns();
                int blocked;
                if (!give(w, now, &blocked) || (w->shut && back->shut)) {
                    drop(&pairs[i]);
                    break;
                }
                if (!blocked && w->first != NULL && w->first->due_ns < next)
                    next = w->first->due_ns;
                /* One entry a socket: what is read from it, and what the other direction has for it. */
                of[count] = w;
                polls[count++] = (struct pollfd){
                    .fd = w->from,
                    .events = (short)((!w->ended && w->bytes < ON_THE_WAY_MAX ? POLLIN : 0)
                                      | (back->first != NULL && back->first->due_ns <= now ? POLLOUT : 0)),
                };
            }
        }
        struct timespec wait = {0};
        uint64_t now = now_ns();
        if (next != UINT64_MAX && next > now)
            wait = (struct timespec){.tv_sec = (time_t)((next - now) / 1000000000u), .tv_nsec = (long)((next - now) % 1000000000u)};
        if (ppoll(polls, count, next == UINT64_MAX ? NULL : &wait, NULL) < 0 && errno != EINTR)
            fail("poll");
        if (polls[0].revents & POLLIN) {
            int left = accept4(server, NULL, NULL, SOCK_CLOEXEC), right = tcp_socket();
            if (left >= 0 && connect(right, (struct sockaddr *)&there, sizeof there) == 0) {
                add(left, right);
            } else {
                close(right);
                if (left >= 0)
                    close(left);
            }
        }
        for (nfds_t i = 1; i < count; i++) {
            if ((polls[i].revents & (POLLIN | POLLHUP | POLLERR)) && !of[i]->ended && of[i]->bytes < ON_THE_WAY_MAX && !take(of[i]))
                of[i]->ended = 1;
        }
    }
}
