//! Codes of the family `E06xx`: the server.

use crate::base::codes::table::codes;

codes! {
    QUEUE_FULL "E0600" 75 true "too many runs wait in line"
        "A server drives so many runs at once; the others are written down and wait. This many more are not taken.\n\
         Fix: ask again later, or start the server with a larger `--queue` or more `--runs`.";
    ENDING "E0601" 75 true "the server is about to end"
        "It was told to end: it takes no more work, and waits for what runs. What is written down is gone on with by the next\n\
         server of the same project.\n\
         Fix: ask again when it is back.";
    KEY_REUSED "E0602" 2 false "an idempotency key was used for another request"
        "A request with an `Idempotency-Key` that was used before gives the first answer again, and only if it asks for the \
         same.\n\
         Fix: use a new key for a new request.";
    NO_KEY "E0603" 2 false "the request says nobody's name"
        "Every route but three needs a key or a session: `Authorization: Bearer KEY`. The key is missing, unknown, has ended \
         or was taken away.\n\
         Fix: `orch keys add NAME --role viewer` makes one.";
    NOT_ALLOWED "E0604" 2 false "the key may not do that"
        "viewer: look. operator: start runs and move them. approver: decide what runs ask. admin: all of it, and keys.\n\
         Fix: ask for a key with the role that the message names.";
    WRONG_HOST "E0605" 2 false "the request is for another host"
        "A web page may point a name of its own at this machine; so only requests for names that the server knows are \
         answered.\n\
         Fix: use the address that `orch serve` has printed, or start it with `--host NAME`.";
    WRONG_ORIGIN "E0606" 2 false "the request comes from another web page"
        "What changes something, and every stream, is answered only to the server's own pages, or to programs with a key.\n\
         Fix: open the dashboard at the address that `orch serve` has printed.";
    NO_CSRF "E0607" 2 false "the page did not prove that it is the server's own"
        "With a session, every change carries the header `X-Orch-CSRF`, which only the server's own pages know.\n\
         Fix: load the page again.";
    TOO_MANY "E0608" 75 true "too many requests"
        "A key may ask so often in a minute, all keys together so often, and an address may fail to log in so often.\n\
         Fix: wait as long as `Retry-After` says; `orch keys add --rate` gives a key a limit of its own.";
    BAD_FIELD "E0609" 2 false "a field of the request is not as it should be"
        "The path, the query or the body does not fit the route; the message names every field and what it takes.\n\
         Fix: GET /api/v1/openapi.json has the schemas of all routes.";
    NOT_JSON "E0610" 2 false "the body is no JSON"
        "Bodies are JSON and say so: `Content-Type: application/json`.\n\
         Fix: send it so.";
    TOO_LONG "E0611" 2 false "the body is too long"
        "A body has at most 1 MB, a header block 16 KB.\n\
         Fix: send less; large inputs belong into a file of the project.";
    NO_ROUTE "E0612" 11 false "there is no such thing on this server"
        "The address names no route, or no project, run, step, definition or file that is there.\n\
         Fix: GET /api/v1/openapi.json lists the routes, GET /api/v1/runs the runs.";
    READ_ONLY "E0613" 2 false "the server only shows"
        "It was started with `--read-only`.\n\
         Fix: use the command line, or start it without.";
    OUTDATED "E0614" 2 false "what the decision is about has changed"
        "A decision may name what was shown to the person: `subject`. It is no longer what is asked, so it does not count.\n\
         Fix: look at the question again, and decide about that.";
    NO_LISTEN "E0615" 2 true "the server cannot listen there"
        "The address is in use, or not one of this machine.\n\
         Fix: end the other server, or give another address with `--listen`.";
    OPEN_DOOR "E0616" 2 false "the server would be open to others without protection"
        "Off the loopback address everybody on the network can read what is sent, so it needs TLS or a proxy in front.\n\
         Fix: `--tls-cert FILE --tls-key FILE`, or `--behind-proxy` with `--host NAME`.";
    KEYS_FILE "E0617" 31 false "the keys of the server cannot be read or written"
        "They are kept in ~/.local/state/orch/serve, readable by their owner only.\n\
         Fix: correct the permissions that the message names.";
    BAD_TLS "E0618" 2 false "the certificate or its key cannot be used"
        "TLS takes a chain of certificates and its private key as PEM files.\n\
         Fix: correct the file that the message names.";
    TOO_MANY_LISTENERS "E0619" 75 true "too many listeners"
        "A server keeps so many streams of events open at once.\n\
         Fix: close some, or ask again later.";
    NOT_READY "E0620" 75 true "the server is not ready"
        "It starts, it ends, or its store cannot be written.\n\
         Fix: GET /api/v1/health says what is wrong.";
    NO_CHANNEL "E0650" 11 false "there is no such channel"
        "Channels are the tables [notify.NAME] of orch.toml, yours or the project's.\n\
         Fix: `orch notify list` shows them.";
    CHANNEL_UNTRUSTED "E0651" 40 false "a channel of the project is not trusted"
        "A project's own settings could send what runs say to anybody, so such a channel tells nobody before you have seen it.\n\
         Fix: `orch trust notify.NAME` shows what it sends and where, and asks.";
    NOTICE_NOT_SENT "E0652" 41 true "a notice could not be sent"
        "The channel did not take it, its secret is not there, or its address is one that is not reached: this machine, its \
         neighbours and the clouds' own services only where `allow` lists them.\n\
         Fix: correct the channel as the message says; `orch notify test NAME` tries it.";
    NOT_SIGNED "E0655" 2 false "a delivery is not signed as it should be"
        "There is no hook of that name, the signature does not fit the body, the time is more than 5 minutes off, or a header \
         is missing; which of these is not said.\n\
         Fix: docs/notifications.md says what is signed and how.";
    HOOK_SECRET_READ "E0656" 75 true "the secret of a hook is being read"
        "It is read by one delivery at a time, for a program that prints it may take its time.\n\
         Fix: send the delivery again in some seconds.";
}
