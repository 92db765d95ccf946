/* Runs services/uploads.js against a server in memory; one scenario, its outcome as JSON.
 *
 *     node uploads_script.mjs <uploads.js> <scenario>
 */
import { readFileSync } from "node:fs";
import vm from "node:vm";

const [script, scenario] = process.argv.slice(2);
const PIECE = 4;
const server = { received: "", size: 0, requests: [], failures: [], gone: false };
const timers = [];

function answer(status, body) {
    return { ok: status < 300, status, text: async () => JSON.stringify(body) };
}

function described() {
    const { size, received } = server;
    return { id: "u1", name: "n", size, received: received.length, pieceBytes: PIECE };
}

async function consoleFetch(address, { method, body, signal }) {
    server.requests.push(`${method} ${address.replace("/console/uploads/", "")}`);
    await new Promise((resolve) => setImmediate(resolve));
    if (signal?.aborted) {
        throw Object.assign(new Error("aborted"), { name: "AbortError" });
    }
    const failure = server.failures.shift();
    if (failure === "network") {
        throw new TypeError("Failed to fetch");
    }
    if (typeof failure === "number") {
        return answer(failure, { message: `failed with ${failure}` });
    }
    if (method === "DELETE") {
        server.gone = true;
        return answer(200, {});
    }
    if (method === "POST") {
        server.size = JSON.parse(body).size;
        return answer(201, described());
    }
    if (method === "PUT") {
        const offset = Number(new URL(address, "http://x").searchParams.get("offset"));
        if (offset !== server.received.length) {
            return answer(409, described());
        }
        server.received += body;
        if (failure === "lost answer") {
            throw new TypeError("Failed to fetch");
        }
    }
    return answer(200, described());
}

class CustomEvent extends Event {
    constructor(type, { detail }) {
        super(type);
        this.detail = detail;
    }
}

const window = new EventTarget();
window.consoleFetch = consoleFetch;
const setAtOnce = (callback, milliseconds) => {
    timers.push(milliseconds);
    return setTimeout(callback, 0);
};
vm.runInNewContext(readFileSync(script, "utf8"), {
    ...{ window, EventTarget, CustomEvent, AbortController, Error, Object, JSON, Math, Promise, Set },
    ...{ setTimeout: setAtOnce, clearTimeout },
});

const TEXT = "abcdefghij";
const file = { name: "model.pkl", size: TEXT.length, slice: (from, to) => TEXT.slice(from, to) };
const states = [];
const progress = [];
let upload = new window.StagedUpload(file);

function watch() {
    upload.addEventListener("state", (event) => states.push(event.detail.state));
    upload.addEventListener("progress", (event) => {
        progress.push(event.detail.received);
        onProgress(event.detail.received);
    });
}

let onProgress = () => {};
let ending = null;
const scenarios = {
    plain() {},
    "lost answer"() {
        server.failures = [undefined, "lost answer"];
    },
    "no connection"() {
        server.failures = [undefined, "network", 503, "network"];
    },
    refused() {
        server.failures = [403];
    },
    continued() {
        server.size = TEXT.length;
        server.received = TEXT.slice(0, PIECE);
        upload = new window.StagedUpload(file, { id: "u1" });
    },
    "another file"() {
        server.size = 3;
        upload = new window.StagedUpload(file, { id: "u1" });
    },
    paused() {
        onProgress = (received) => {
            if (received === PIECE) {
                upload.pause();
                setImmediate(() => upload.resume());
            }
        };
    },
    aborted() {
        onProgress = (received) => {
            if (received === PIECE) {
                ending = upload.abort();
            }
        };
    },
};

scenarios[scenario]();
watch();
let result = null;
let error = "";
try {
    result = await upload.start();
} catch (caught) {
    error = caught.message;
}
await ending;
console.log(
    JSON.stringify({ result, error, states, progress, timers, ...server }),
);
