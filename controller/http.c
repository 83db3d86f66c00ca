/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "http.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"
#include "listener.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "problem.h"
#include "socket-util.h"
#include "timeval.h"
#include "tokens.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(http);

/* Limits.  Connections cost memory and a file descriptor; of the latter, some
 * are left for other uses. */
#define CONNECTIONS_MAX 20000
#define OTHER_FILES 1000
#define HEAD_MAX (16 * 1024)                    /* Bytes, a connection. */
#define BODY_MAX (4 * 1024 * 1024)                  /* Bytes, a request. */
#define BODIES_MAX (64 * 1024 * 1024)           /* Bytes, all requests. */

/* Times, in ms.  A connection may be idle so long, and a request, or taking
 * the answer, may take so long in all. */
#define IDLE_MSEC 60000
#define REQUEST_MSEC 30000
#define CLOSE_MSEC 500

#define STREAM_BLOCK 4096       /* Bytes that are read at a time. */

struct http_statistics http_statistics;

/* Bytes that the bodies of all requests have. */
static size_t bodies_size;

struct http_server {
    struct MHD_Daemon *daemon;
    char *url;
    const struct tokens *tokens;
    http_handler *handler;
    void *aux;
    unsigned int max_connections;

    /* Connections by deadline.  Those whose request is being answered are in
     * neither list. */
    struct ovs_list idle;       /* Have no request. */
    struct ovs_list busy;       /* Send one, or take the answer. */
    unsigned int n_connections;
};

struct connection {
    struct ovs_list node;       /* In one of the lists, or in none. */
    struct http_server *server;
    struct MHD_Connection *mhd;
    long long int deadline;
};

struct request {
    struct http_request up;
    struct connection *connection;
    char *uri;                  /* As it was sent. */
    char *user;                 /* up.user: tokens may be read again. */
    bool begun;                 /* The head has been read. */
    bool suspended;
    bool too_large;
    struct ds body;
    struct MHD_Response *response;      /* The answer, once there is one. */
    int status;
};

/* Deadlines. */

static void
connection_take(struct connection *c)
{
    ovs_list_remove(&c->node);
    ovs_list_init(&c->node);
}

static void
connection_put(struct connection *c, struct ovs_list *list, int msec)
{
    ovs_list_remove(&c->node);
    ovs_list_push_back(list, &c->node);
    c->deadline = time_msec() + msec;
}

/* Has libmicrohttpd notice that the connection has ended. */
static void
connection_close(struct connection *c)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        c->mhd, MHD_CONNECTION_INFO_CONNECTION_FD);

    shutdown(info->connect_fd, SHUT_RDWR);
    http_statistics.timed_out++;
    connection_take(c);
}

static void
close_late(struct ovs_list *list)
{
    struct connection *c;

    LIST_FOR_EACH_SAFE (c, node, list) {
        if (c->deadline > time_msec()) {
            break;
        }
        connection_close(c);
    }
}

/* Leaves room for new connections: those that are idle longest give way. */
static void
close_surplus(struct http_server *s)
{
    unsigned int limit = s->max_connections - s->max_connections / 20;

    for (unsigned int n = s->n_connections;
         n > limit && !ovs_list_is_empty(&s->idle); n--) {
        connection_close(CONTAINER_OF(ovs_list_front(&s->idle),
                                      struct connection, node));
    }
}

static void
wait_for_deadline(const struct ovs_list *list)
{
    if (!ovs_list_is_empty(list)) {
        poll_timer_wait_until(CONTAINER_OF(ovs_list_front(list),
                                           struct connection,
                                           node)->deadline);
    }
}

/* What libmicrohttpd calls. */

static void
log_message(void *aux OVS_UNUSED, const char *format, va_list args)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(10, 50);

    if (!VLOG_DROP_DBG(&rl)) {
        char *s = xvasprintf(format, args);

        VLOG_DBG("%s", s);
        free(s);
    }
}

static void
on_connection(void *s_, struct MHD_Connection *mhd, void **context,
              enum MHD_ConnectionNotificationCode code)
{
    struct http_server *s = s_;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        struct connection *c = xmalloc(sizeof *c);

        ovs_list_init(&c->node);
        c->server = s;
        c->mhd = mhd;
        connection_put(c, &s->idle, IDLE_MSEC);
        s->n_connections++;
        http_statistics.connections++;
        http_statistics.accepted++;
        *context = c;
    } else {
        struct connection *c = *context;

        ovs_list_remove(&c->node);
        free(c);
        s->n_connections--;
        http_statistics.connections--;
    }
}

/* The first line of a request has come. */
static void *
on_uri(void *s_, const char *uri, struct MHD_Connection *mhd)
{
    struct http_server *s = s_;
    struct request *r = xzalloc(sizeof *r);

    r->connection = MHD_get_connection_info(
        mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    r->uri = xstrdup(uri);
    ds_init(&r->body);
    connection_put(r->connection, &s->busy, REQUEST_MSEC);
    return r;
}

static void
free_body(struct request *r)
{
    bodies_size -= r->body.length;
    ds_destroy(&r->body);
    ds_init(&r->body);
}

/* The answer was sent, or the client has gone. */
static void
on_completed(void *s_, struct MHD_Connection *mhd OVS_UNUSED, void **r_,
             enum MHD_RequestTerminationCode code OVS_UNUSED)
{
    struct http_server *s = s_;
    struct request *r = *r_;

    if (r) {
        connection_put(r->connection, &s->idle, IDLE_MSEC);
        if (r->response) {
            MHD_destroy_response(r->response);
        }
        free_body(r);
        free(r->uri);
        free(r->user);
        free(r);
        *r_ = NULL;
    }
}

static void OVS_PRINTF_FORMAT(4, 5)
reply_problem(struct request *r, int status, const char *remedy,
              const char *detail, ...)
{
    struct problem problem = PROBLEM_INITIALIZER;
    char *text, *body;
    struct json *json;
    va_list args;

    va_start(args, detail);
    text = xvasprintf(detail, args);
    va_end(args);
    problem_set(&problem, status, remedy, "%s", text);
    free(text);
    json = problem_to_json(&problem);
    body = json_to_string(json, JSSF_SORT);
    http_reply(&r->up, status, "application/problem+json", body, strlen(body),
               status == 401 ? "WWW-Authenticate: Bearer\n"
               : status == 503 ? "Retry-After: 1\n" : NULL);
    json_destroy(json);
    problem_uninit(&problem);
}

/* Whether 'host', of the field of that name, is what somebody calls a server
 * on the loopback interface by.  Other names lead there if a web site that its
 * visitor's browser is to attack us for has arranged for it. */
static bool
is_local_name(const char *host)
{
    bool brackets = *host == '[';
    char *name = (brackets ? xmemdup0(host + 1, strcspn(host + 1, "]"))
                  : xmemdup0(host, strcspn(host, ":")));
    struct migrate_address a;
    bool local = !strcasecmp(name, "localhost") || address_parse(name, &a);

    free(name);
    return local;
}

/* Checks what can be told from the head, and answers if that is enough. */
static void
check_head(struct http_server *s, struct request *r)
{
    const char *host = http_header(&r->up, MHD_HTTP_HEADER_HOST);
    const char *length = http_header(&r->up, MHD_HTTP_HEADER_CONTENT_LENGTH);

    if (strstr(r->uri, "%00")) {
        reply_problem(r, 400, "leave it out", "the path has a null byte");
    } else if (s->tokens) {
        const char *authorization = http_header(
            &r->up, MHD_HTTP_HEADER_AUTHORIZATION);
        enum tokens_role role = TOKENS_READ;
        const char *user = NULL;

        switch (tokens_check(s->tokens, authorization, r->up.method,
                             r->up.path, &user, &role)) {
        case TOKENS_UNKNOWN:
            reply_problem(r, 401, "send \"Authorization: Bearer TOKEN\"",
                          "no token, or one that is not known");
            break;
        case TOKENS_FORBIDDEN:
            reply_problem(r, 403, "use a token with role \"write\"",
                          role == TOKENS_AGENT ? "the token of \"%s\" is that "
                          "of the agent of this host"
                          : "the token of \"%s\" only allows to read", user);
            break;
        case TOKENS_OK:
        default:
            r->up.user = r->user = xstrdup(user);
            r->up.is_agent = role == TOKENS_AGENT;
            break;
        }
    } else if (host && !is_local_name(host)) {
        reply_problem(r, 403, "use http://localhost", "without tokens this "
                      "server only answers to local names, not to \"%s\"",
                      host);
    }
    if (!r->response && length
        && (strlen(length) > 9 || atoi(length) > BODY_MAX)) {
        reply_problem(r, 413, "send less at a time", "the body has more than "
                      "%d bytes", BODY_MAX);
    }
}

/* Whether the client sends a body without waiting to be told to.  If it were
 * answered earlier, it might find the connection closed and see no answer. */
static bool
sends_body(const struct request *r)
{
    return (!http_header(&r->up, MHD_HTTP_HEADER_EXPECT)
            && (http_header(&r->up, MHD_HTTP_HEADER_CONTENT_LENGTH)
                || http_header(&r->up, MHD_HTTP_HEADER_TRANSFER_ENCODING)));
}

static void
take_body(struct request *r, const char *data, size_t size)
{
    if (r->too_large || r->body.length + size > BODY_MAX
        || bodies_size + size > BODIES_MAX) {
        r->too_large = true;
        free_body(r);
    } else {
        ds_put_buffer(&r->body, data, size);
        bodies_size += size;
    }
}

/* Hands a whole request to whoever answers it. */
static void
dispatch(struct http_server *s, struct request *r)
{
    connection_take(r->connection);
    if (r->too_large) {
        reply_problem(r, 413, "send less at a time", "the body has more than "
                      "%d bytes, or all bodies together have too many",
                      BODY_MAX);
        return;
    }
    r->up.body = ds_cstr(&r->body);
    r->up.body_len = r->body.length;
    s->handler(&r->up, s->aux);
}

static enum MHD_Result
queue_response(struct request *r)
{
    return MHD_queue_response(r->connection->mhd, r->status, r->response);
}

/* Is called when the head has come, for each piece of the body, when all has
 * come, and, if the answer was not there yet then, when it is. */
static enum MHD_Result
on_request(void *s_, struct MHD_Connection *mhd, const char *path,
           const char *method, const char *version OVS_UNUSED,
           const char *data, size_t *size, void **r_)
{
    struct http_server *s = s_;
    struct request *r = *r_;

    if (!r->begun) {
        r->begun = true;
        r->up.method = method;
        r->up.path = path;
        check_head(s, r);
        return (r->response && !sends_body(r) ? queue_response(r)
                : MHD_YES);
    } else if (*size) {
        if (!r->response) {
            take_body(r, data, *size);
        }
        *size = 0;
        return MHD_YES;
    } else if (!r->response) {
        dispatch(s, r);
        if (!r->response) {
            r->suspended = true;
            MHD_suspend_connection(mhd);
            return MHD_YES;
        }
    }
    return queue_response(r);
}

/* Requests. */

static struct request *
request_cast(const struct http_request *up)
{
    return CONTAINER_OF(up, struct request, up);
}

const char *
http_header(const struct http_request *up, const char *name)
{
    return MHD_lookup_connection_value(request_cast(up)->connection->mhd,
                                       MHD_HEADER_KIND, name);
}

struct parameter_aux {
    void (*cb)(const char *name, const char *value, void *aux);
    void *aux;
};

static enum MHD_Result
pass_parameter(void *p_, enum MHD_ValueKind kind OVS_UNUSED,
               const char *name, const char *value)
{
    struct parameter_aux *p = p_;

    p->cb(name, value, p->aux);
    return MHD_YES;
}

void
http_for_each_parameter(struct http_request *up,
                        void (*cb)(const char *name, const char *value,
                                   void *aux), void *aux)
{
    struct parameter_aux p = { cb, aux };

    MHD_get_connection_values(request_cast(up)->connection->mhd,
                              MHD_GET_ARGUMENT_KIND, pass_parameter, &p);
}

static void
add_headers(struct MHD_Response *response, const char *headers)
{
    char *copy = xstrdup(headers);
    char *save = NULL;

    for (char *line = strtok_r(copy, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        char *value = strstr(line, ": ");

        *value = '\0';
        MHD_add_response_header(response, line, value + 2);
    }
    free(copy);
}

void
http_reply(struct http_request *up, int status, const char *type, char *body,
           size_t len, const char *headers)
{
    struct request *r = request_cast(up);
    struct http_server *s = r->connection->server;

    r->status = status;
    r->response = MHD_create_response_from_buffer(len, body,
                                                  MHD_RESPMEM_MUST_FREE);
    if (len) {
        MHD_add_response_header(r->response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                type);
    }
    MHD_add_response_header(r->response, MHD_HTTP_HEADER_CACHE_CONTROL,
                            "no-store");
    if (headers) {
        add_headers(r->response, headers);
    }
    http_statistics.requests[status / 100]++;
    connection_put(r->connection, &s->busy, REQUEST_MSEC);
    if (r->suspended) {
        MHD_resume_connection(r->connection->mhd);
    }
}

/* Streams. */

struct http_stream {
    struct MHD_Connection *mhd;
    const struct http_stream_ops *ops;
    void *aux;
    bool suspended;
};

static ssize_t
read_stream(void *stream_, uint64_t ofs OVS_UNUSED, char *buf, size_t size)
{
    struct http_stream *stream = stream_;
    ssize_t n = stream->ops->read(stream->aux, buf, size);

    if (!n) {
        stream->suspended = true;
        MHD_suspend_connection(stream->mhd);
    }
    return n < 0 ? MHD_CONTENT_READER_END_OF_STREAM : n;
}

static void
destroy_stream(void *stream_)
{
    struct http_stream *stream = stream_;

    stream->ops->destroy(stream->aux);
    http_statistics.streams--;
    free(stream);
}

struct http_stream *
http_reply_stream(struct http_request *up, const char *type,
                  const struct http_stream_ops *ops, void *aux)
{
    struct request *r = request_cast(up);
    struct http_stream *stream = xzalloc(sizeof *stream);

    stream->mhd = r->connection->mhd;
    stream->ops = ops;
    stream->aux = aux;
    r->status = 200;
    r->response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream, stream, destroy_stream);
    MHD_add_response_header(r->response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    MHD_add_response_header(r->response, MHD_HTTP_HEADER_CACHE_CONTROL,
                            "no-store");
    http_statistics.requests[2]++;
    http_statistics.streams++;
    return stream;
}

void
http_stream_wake(struct http_stream *stream)
{
    if (stream->suspended) {
        stream->suspended = false;
        MHD_resume_connection(stream->mhd);
    }
}

/* The server. */

/* Allows for as many files as the kernel lets us have, and returns how many
 * connections that makes. */
static unsigned int
raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit)) {
        return 100;
    }
    if (limit.rlim_cur < CONNECTIONS_MAX + OTHER_FILES) {
        limit.rlim_cur = MIN(limit.rlim_max, CONNECTIONS_MAX + OTHER_FILES);
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    return (limit.rlim_cur >= CONNECTIONS_MAX + OTHER_FILES ? CONNECTIONS_MAX
            : limit.rlim_cur > 2 * OTHER_FILES ? limit.rlim_cur - OTHER_FILES
            : limit.rlim_cur / 2);
}

static char *
read_file(const char *name, char **error)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    FILE *stream = fopen(name, "r");
    char buffer[4096];
    size_t n;

    if (!stream) {
        *error = xasprintf("%s: %s", name, ovs_strerror(errno));
        return NULL;
    }
    while ((n = fread(buffer, 1, sizeof buffer, stream)) > 0) {
        ds_put_buffer(&ds, buffer, n);
    }
    fclose(stream);
    return ds_steal_cstr(&ds);
}

static struct MHD_Daemon *
start_daemon(struct http_server *s, int fd, const char *certificate,
             const char *private_key)
{
    struct MHD_OptionItem tls[] = {
        { MHD_OPTION_HTTPS_MEM_CERT, 0, CONST_CAST(char *, certificate) },
        { MHD_OPTION_HTTPS_MEM_KEY, 0, CONST_CAST(char *, private_key) },
        { MHD_OPTION_HTTPS_PRIORITIES, 0,
          "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2" },
        { MHD_OPTION_END, 0, NULL },
    };
    struct MHD_OptionItem no_tls[] = { { MHD_OPTION_END, 0, NULL } };

    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG
        | (certificate ? MHD_USE_TLS : 0),
        0, NULL, NULL, on_request, s,
        MHD_OPTION_EXTERNAL_LOGGER, log_message, NULL,
        MHD_OPTION_LISTEN_SOCKET, (MHD_socket) fd,
        MHD_OPTION_CONNECTION_LIMIT, s->max_connections,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) HEAD_MAX,
        MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_URI_LOG_CALLBACK, on_uri, s,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
        MHD_OPTION_ARRAY, certificate ? tls : no_tls,
        MHD_OPTION_END);
}

/* Stores the files' contents, for https, and says what is missing. */
static bool
read_tls(const struct http_options *options, bool https, char **certificate,
         char **private_key, char **error)
{
    *certificate = *private_key = NULL;
    if (!https) {
        return true;
    } else if (!options->certificate || !options->private_key) {
        *error = xasprintf("%s: needs --rest-certificate and "
                           "--rest-private-key", options->listen);
        return false;
    }
    *certificate = read_file(options->certificate, error);
    *private_key = (*certificate ? read_file(options->private_key, error)
                    : NULL);
    return *private_key != NULL;
}

struct http_server *
http_server_create(const struct http_options *options, http_handler *handler,
                   void *aux, char **error)
{
    bool https = !strncmp(options->listen, "https:", 6);
    struct ds url = DS_EMPTY_INITIALIZER;
    char *certificate, *private_key;
    struct sockaddr_storage ss;
    struct http_server *s;
    int fd;

    if (!read_tls(options, https, &certificate, &private_key, error)) {
        free(certificate);
        return NULL;
    }
    fd = listener_open(options, &ss, error);
    if (fd < 0) {
        free(certificate);
        free(private_key);
        return NULL;
    }
    s = xzalloc(sizeof *s);
    s->tokens = options->tokens;
    s->handler = handler;
    s->aux = aux;
    s->max_connections = raise_file_limit();
    ovs_list_init(&s->idle);
    ovs_list_init(&s->busy);
    ds_put_format(&url, "http%s://", https ? "s" : "");
    ss_format_address(&ss, &url);
    ds_put_format(&url, ":%"PRIu16, ss_get_port(&ss));
    s->url = ds_steal_cstr(&url);
    s->daemon = start_daemon(s, fd, certificate, private_key);
    free(certificate);
    free(private_key);
    if (!s->daemon) {
        *error = xasprintf("%s: cannot serve it; is the certificate that of "
                           "the private key?", options->listen);
        close(fd);
        free(s->url);
        free(s);
        return NULL;
    }
    return s;
}

void
http_server_destroy(struct http_server *s)
{
    if (s) {
        long long int deadline = time_msec() + CLOSE_MSEC;

        /* Answers that are on their way are to arrive. */
        MHD_run(s->daemon);
        while (!ovs_list_is_empty(&s->busy) && time_msec() < deadline) {
            poll(NULL, 0, 1);
            MHD_run(s->daemon);
        }
        MHD_stop_daemon(s->daemon);
        free(s->url);
        free(s);
    }
}

void
http_server_run(struct http_server *s)
{
    MHD_run(s->daemon);
    close_late(&s->idle);
    close_late(&s->busy);
    close_surplus(s);
}

void
http_server_wait(struct http_server *s)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(
        s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    MHD_UNSIGNED_LONG_LONG timeout;

    poll_fd_wait(info->epoll_fd, POLLIN);
    if (MHD_get_timeout(s->daemon, &timeout) == MHD_YES) {
        poll_timer_wait(timeout);
    }
    wait_for_deadline(&s->idle);
    wait_for_deadline(&s->busy);
}

void
http_server_set_tokens(struct http_server *s, const struct tokens *tokens)
{
    s->tokens = tokens;
}

const char *
http_server_url(const struct http_server *s)
{
    return s->url;
}
