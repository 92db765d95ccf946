/* Uploading files in pieces, so that a lost connection or an ended session costs one piece.
 *
 *     const upload = new StagedUpload(file);          // a File, or { name, size, slice }
 *     upload.addEventListener("progress", (event) => event.detail.received);
 *     upload.addEventListener("state", (event) => event.detail.state);
 *     const { id, name, size } = await upload.start();  // rejects with an Error, or when aborted
 *     upload.pause(); upload.resume(); await upload.abort();
 *
 * States: waiting, uploading, paused, offline (trying again by itself), done, failed, aborted.
 * `new StagedUpload(file, { id })` goes on with an upload that was begun before; `{ name }` is for
 * a file of a folder, with its path.
 */
(function () {
    "use strict";

    const ADDRESS = "/console/uploads/";
    const FIRST_WAIT = 1000;
    const LONGEST_WAIT = 30000;
    const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);

    function ask(address, options) {
        if (window.consoleFetch) {
            return window.consoleFetch(address, options);
        }
        const field = document.querySelector("input[name=csrfmiddlewaretoken]");
        const headers = { ...options.headers, "X-Console": "1", "X-CSRFToken": field ? field.value : "" };
        return fetch(address, { ...options, headers });
    }

    async function said(answer) {
        const text = await answer.text();
        try {
            return JSON.parse(text);
        } catch {
            return { message: text };
        }
    }

    class Aborted extends Error {
        constructor() {
            super("The upload was cancelled.");
            this.name = "AbortError";
        }
    }

    class StagedUpload extends EventTarget {
        constructor(file, { id = null, name = null } = {}) {
            super();
            this.file = file;
            this.name = name || file.webkitRelativePath || file.name;
            this.size = file.size;
            this.id = id;
            this.received = 0;
            this.state = "waiting";
            this.error = "";
            this._pieceBytes = 0;
            this._wake = null;
            this._sending = null;
        }

        /* Resolves with { id, name, size } once all of it is there. */
        async start() {
            try {
                this._become("uploading");
                await this._begin();
                while (this.received < this.size) {
                    await this._whilePaused();
                    await this._send();
                }
                this._become("done");
                return { id: this.id, name: this.name, size: this.size };
            } catch (error) {
                if (this.state !== "aborted") {
                    this.error = error.message;
                    this._become("failed");
                }
                throw error;
            }
        }

        pause() {
            if (this.state === "uploading" || this.state === "offline") {
                this._become("paused");
                this._sending?.abort();
            }
        }

        resume() {
            if (this.state === "paused" || this.state === "offline") {
                this._become("uploading");
                this._wake?.();
            }
        }

        /* Ends it and removes what has come. */
        async abort() {
            this._become("aborted");
            this._sending?.abort();
            this._wake?.();
            if (this.id) {
                await ask(`${ADDRESS}${this.id}/`, { method: "DELETE" }).catch(() => {});
            }
        }

        async _begin() {
            const known = this.id
                ? await this._asked(`${ADDRESS}${this.id}/`, { method: "GET" })
                : await this._asked(ADDRESS, {
                      method: "POST",
                      headers: { "Content-Type": "application/json" },
                      body: JSON.stringify({ name: this.name, size: this.size }),
                  });
            if (known.size !== this.size) {
                throw new Error("This is another file than the one whose upload was begun.");
            }
            this.id = known.id;
            this._pieceBytes = known.pieceBytes;
            this._progress(known.received);
        }

        async _send() {
            const offset = this.received;
            const piece = this.file.slice(offset, offset + this._pieceBytes);
            const known = await this._asked(
                `${ADDRESS}${this.id}/?offset=${offset}`,
                { method: "PUT", headers: { "Content-Type": "application/octet-stream" }, body: piece },
                { isPiece: true },
            );
            if (known) {
                this._progress(known.received);
            }
        }

        /* The answer's JSON, asked for again and again while the server cannot be reached; nothing
         * when a piece was given up for a pause. */
        async _asked(address, options, { isPiece = false } = {}) {
            for (let wait = FIRST_WAIT; ; wait = Math.min(wait * 2, LONGEST_WAIT)) {
                this._leaveIfAborted();
                let reason = "";
                try {
                    this._sending = new AbortController();
                    const answer = await ask(address, { ...options, signal: this._sending.signal });
                    if (answer.ok || (isPiece && answer.status === 409)) {
                        const known = await said(answer);
                        if (this.state === "offline") {
                            this._become("uploading");
                        }
                        return known;
                    }
                    if (!PASSING.has(answer.status)) {
                        throw Object.assign(new Error((await said(answer)).message), { isFinal: true });
                    }
                    reason = (await said(answer)).message;
                } catch (error) {
                    this._leaveIfAborted();
                    if (error.isFinal) {
                        throw error;
                    }
                    if (this.state === "paused") {
                        if (isPiece) {
                            return null;
                        }
                        await this._whilePaused();
                        continue;
                    }
                    if (error.name === "NotReadableError" || error.name === "NotFoundError") {
                        throw new Error(`${this.name} was changed or removed: choose it again.`);
                    }
                    reason = error.message;
                } finally {
                    this._sending = null;
                }
                this.error = reason;
                this._become("offline");
                await this._sleep(wait);
            }
        }

        async _whilePaused() {
            while (this.state === "paused") {
                await this._sleep(null);
            }
            this._leaveIfAborted();
        }

        /* Until `milliseconds` have gone by, the browser is online again, or somebody wakes it. */
        _sleep(milliseconds) {
            return new Promise((resolve) => {
                const timer = milliseconds === null ? null : setTimeout(finish, milliseconds);
                const wake = finish;
                window.addEventListener("online", finish);
                this._wake = wake;
                function finish() {
                    clearTimeout(timer);
                    window.removeEventListener("online", finish);
                    resolve();
                }
            });
        }

        _leaveIfAborted() {
            if (this.state === "aborted") {
                throw new Aborted();
            }
        }

        _progress(received) {
            this.received = received;
            this._tell("progress");
        }

        _become(state) {
            if (this.state !== state && this.state !== "aborted") {
                this.state = state;
                this._tell("state");
            }
        }

        _tell(type) {
            const { id, name, size, received, state, error } = this;
            this.dispatchEvent(
                new CustomEvent(type, { detail: { id, name, size, received, state, error } }),
            );
        }
    }

    window.StagedUpload = StagedUpload;
})();
