/* The Publish page: what is typed is saved as it is typed, looked into, run, and published. */
(function () {
    "use strict";

    const SAVE_AFTER = 700;
    const POLL_EVERY = 400;
    const AT_A_TIME = 3; // uploads of a folder's files
    const example = window.exampleInputs;

    const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

    class Refused extends Error {
        constructor(problem) {
            super(problem.message);
            this.problem = problem;
        }
    }

    /* The JSON that the server answers; Refused with its problem when it refuses. */
    async function ask(address, body) {
        const options = body
            ? { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }
            : {};
        const answer = await window.consoleFetch(address, options);
        const text = await answer.text();
        let said;
        try {
            said = JSON.parse(text);
        } catch {
            said = { problem: { message: text.slice(0, 300) || "The server did not answer.", field: "" } };
        }
        if (!answer.ok) {
            throw new Refused(said.problem || { message: said.message, field: "" });
        }
        return said;
    }

    function megabytes(bytes) {
        return bytes < 1e6 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
    }

    /* The files that were dropped; those of a folder with their path as `path`. */
    async function droppedFiles(transfer) {
        const entries = [...transfer.items].map((each) => each.webkitGetAsEntry?.()).filter(Boolean);
        if (!entries.some((each) => each.isDirectory)) {
            return [...transfer.files];
        }
        const found = [];
        async function walk(entry) {
            if (entry.isFile) {
                const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
                file.path = entry.fullPath.slice(1);
                found.push(file);
                return;
            }
            const reader = entry.createReader();
            for (;;) {
                const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
                if (!some.length) {
                    return;
                }
                for (const each of some) {
                    await walk(each);
                }
            }
        }
        for (const entry of entries) {
            await walk(entry);
        }
        return found;
    }

    const publishPage = () => ({
        ...JSON.parse(document.getElementById("draft-state").textContent),
        example,
        saving: "saved",
        problem: null,
        elsewhere: null,
        isOver: false,
        uploads: [],
        inferring: "",
        proposal: null,
        proposalWaits: false,
        sample: "",
        asJson: false,
        exampleText: "",
        running: false,
        runText: "",
        runJob: "",
        result: null,
        publishing: false,
        publishText: "",
        changes: null,
        current: "",
        nameText: "",
        nameProblem: false,
        nameField: "",
        suggestion: "",
        names: [],
        versionTyped: false,
        hasOptions: false,

        init() {
            const { content } = this;
            this.versionTyped = Boolean(content.version);
            this.hasOptions = Boolean(
                content.row_independent || content.pool || content.grants || content.operation_id,
            );
            this.restore();
            this.$watch("content.inputs", () => this.renamed());
            this.names = this.content.inputs.map((each) => each.name);
            this.$nextTick(() => {
                for (const area of this.$root.querySelectorAll("textarea[data-editor]")) {
                    window.codeEditor.setUp(area);
                }
            });
            window.addEventListener("beforeunload", (event) => {
                if (this.uploads.length) {
                    event.preventDefault();
                }
            });
            window.addEventListener("pagehide", () => this.remember());
            if (content.found) {
                this.proposal = content.found;
            }
            if (content.name && !this.isEdit) {
                this.checkName();
            }
            if (this.isPublishing) {
                this.followPublishing();
            }
        },

        /* Saving. */

        get key() {
            return `draft ${this.id}`;
        },

        get savedText() {
            return {
                saved: this.revision ? "Saved" : "What you type is saved as you type",
                dirty: "Saving…",
                saving: "Saving…",
                failed: "Not saved: the server does not answer. It is kept in this tab; trying again.",
                refused: "Not saved.",
            }[this.saving];
        },

        changed() {
            this.saving = "dirty";
            this.remember();
            clearTimeout(this.timer);
            this.timer = setTimeout(() => this.save(), SAVE_AFTER);
        },

        remember() {
            if (this.saving !== "saved") {
                const kept = JSON.stringify({ revision: this.revision, content: this.content });
                try {
                    sessionStorage.setItem(this.key, kept);
                } catch {
                    /* It is full: the server has what was saved last. */
                }
            }
        },

        /* What this tab has typed and the server has not got, after a reload. */
        restore() {
            const kept = JSON.parse(sessionStorage.getItem(this.key) || "null");
            if (!kept || JSON.stringify(kept.content) === JSON.stringify(this.content)) {
                sessionStorage.removeItem(this.key);
                return;
            }
            if (kept.revision !== this.revision) {
                this.elsewhere = { content: this.content, revision: this.revision };
            }
            this.content = kept.content;
            if (!this.elsewhere) {
                this.changed();
            }
        },

        /* The draft is discarded. */
        forget() {
            clearTimeout(this.timer);
            this.saving = "saved";
            sessionStorage.removeItem(this.key);
        },

        async save() {
            if (this.elsewhere) {
                return false;
            }
            if (this.saving === "saving") {
                await this.underWay;
            }
            if (this.saving === "saved") {
                return true;
            }
            clearTimeout(this.timer);
            this.saving = "saving";
            const sent = JSON.stringify(this.content);
            this.underWay = this.send(sent);
            return this.underWay;
        },

        async send(sent) {
            try {
                const body = { revision: this.revision, content: JSON.parse(sent) };
                const { revision } = await ask(this.addresses.save, body);
                this.acknowledge(revision, sent);
                return true;
            } catch (error) {
                if (!(error instanceof Refused)) {
                    this.saving = "failed";
                    this.remember();
                    this.timer = setTimeout(() => this.save(), 3000);
                    return false;
                }
                this.saving = "refused";
                this.remember();
                this.refuse(error.problem);
                return false;
            }
        },

        acknowledge(revision, sent) {
            this.revision = revision;
            if (JSON.stringify(this.content) === sent) {
                this.saving = "saved";
                sessionStorage.removeItem(this.key);
            } else {
                this.changed();
            }
        },

        keepMine() {
            this.revision = this.elsewhere.revision;
            this.elsewhere = null;
            this.changed();
        },

        takeTheirs() {
            this.content = this.elsewhere.content;
            this.revision = this.elsewhere.revision;
            this.elsewhere = null;
            this.problem = null;
            this.saving = "saved";
            sessionStorage.removeItem(this.key);
            this.redraw();
        },

        /* Problems, said at their field. */

        refuse(problem) {
            if (problem.content) {
                this.elsewhere = { content: problem.content, revision: problem.revision };
                return;
            }
            this.problem = problem;
            this.changes = problem.changes || null;
            this.current = problem.current || "";
            if (problem.field === "version" || problem.field === "name") {
                this.checkName();
            }
            this.$nextTick(() => this.fieldOf(problem)?.focus());
        },

        isWrong(field) {
            return this.problem?.field === field;
        },

        fieldOf(problem) {
            const field = problem?.field;
            return field ? document.getElementById(field) || document.getElementById(`add-${field}`) : null;
        },

        redraw() {
            this.$nextTick(() => {
                for (const area of this.$root.querySelectorAll(".editor textarea")) {
                    window.codeEditor.draw(area);
                }
            });
        },

        /* Files, and what is found in them. */

        size: megabytes,

        async dropped(event) {
            this.isOver = false;
            await this.upload(await droppedFiles(event.dataTransfer));
        },

        async upload(files) {
            if (!files.length) {
                return;
            }
            this.problem = null;
            /* What lies hidden in a folder is of no model. */
            const waiting = files.filter((file) => !/(^|\/)\./.test(file.path || file.webkitRelativePath));
            const done = [];
            const uploadSome = async () => {
                while (waiting.length) {
                    const uploaded = await this.begin(waiting.shift());
                    if (uploaded) {
                        done.push(uploaded);
                    }
                }
            };
            await Promise.all(Array.from({ length: AT_A_TIME }, uploadSome));
            if (done.length) {
                await this.inspect(done);
            }
        },

        /* The uploaded file; nothing when it was cancelled or refused. */
        async begin(file) {
            const upload = new window.StagedUpload(file, { name: file.path });
            const shown = { key: Math.random(), name: upload.name, size: file.size, sent: 0, note: "" };
            shown.upload = upload;
            shown.canResume = false;
            shown.resume = () => upload.resume();
            this.uploads.push(shown);
            const entry = this.uploads.find((each) => each.key === shown.key);
            const began = Date.now();
            upload.addEventListener("progress", ({ detail }) => {
                entry.sent = detail.received;
                const seconds = (Date.now() - began) / 1000;
                const rest = seconds > 2 ? (seconds * (detail.size - detail.received)) / detail.received : 0;
                entry.note =
                    `${megabytes(detail.received)} of ${megabytes(detail.size)}` +
                    (rest > 1 ? `, ${Math.round(rest)} s left` : "");
            });
            upload.addEventListener("state", ({ detail }) => {
                entry.canResume = detail.state === "offline" || detail.state === "paused";
                if (detail.state === "offline") {
                    entry.note = "The server does not answer; going on as soon as it does.";
                }
            });
            try {
                return await upload.start();
            } catch (error) {
                if (error.name !== "AbortError") {
                    this.refuse({ message: error.message, field: "files" });
                }
                return null;
            } finally {
                this.uploads = this.uploads.filter((each) => each.key !== shown.key);
            }
        },

        async cancelUpload(entry) {
            await entry.upload.abort();
        },

        async inspect(done) {
            this.inferring = "Looking into it…";
            try {
                const { job } = await ask(this.addresses.inspect, { uploads: done.map((each) => each.id) });
                const outcome = await this.follow(job, (text) => (this.inferring = `${text}…`));
                this.propose(outcome, done);
            } catch (error) {
                this.keepAsTheyAre(done, error);
            } finally {
                this.inferring = "";
            }
        },

        /* Files that say nothing of themselves, which code may read all the same. */
        keepAsTheyAre(done, error) {
            if (this.content.runtime_type === "Realtime" || !(error instanceof Refused)) {
                this.explain(error, "files");
                return;
            }
            this.addFiles(done.map((each) => ({ name: each.name, upload: each.id })));
            const names = done.map((each) => each.name).join(", ");
            this.proposal = {
                title: `${names}: there for your code to read, in its working directory.`,
                warnings: [error.message],
            };
        },

        propose(proposal, done) {
            this.proposal = proposal;
            const isMine = proposal.runtime_type === this.content.runtime_type;
            if (proposal.kind === "table") {
                this.useTable(proposal, "inputs");
                return;
            }
            if (!isMine && this.isTyped) {
                this.proposal = null;
                const right = proposal.runtime_type === "Realtime" ? "a model file" : proposal.runtime_type;
                this.refuse({
                    field: "files",
                    message: `${proposal.title}: that is published as ${right}. Begin another draft for it.`,
                });
                return;
            }
            if (!isMine) {
                this.become(proposal);
                return;
            }
            if (!proposal.files.length && !proposal.code) {
                this.addFiles(done.map((each) => ({ name: each.name, upload: each.id })));
            }
            this.proposalWaits = this.isTyped;
            if (!this.proposalWaits) {
                this.useProposal();
            }
        },

        /* Whether there is something that a proposal would take the place of. */
        get isTyped() {
            const { runtime_type, code, init_code, inputs } = this.content;
            return runtime_type !== "Realtime" && Boolean(code.trim() || init_code.trim() || inputs.length);
        },

        /* A draft of another kind, since that is what the file is; the page is another one then. */
        async become(proposal) {
            this.content.runtime_type = proposal.runtime_type;
            if (proposal.runtime_type !== "Realtime") {
                this.content.inputs = [];
                this.content.outputs = [];
            }
            this.useProposal();
            const { title, warnings, missing } = proposal;
            this.content.found = { title, warnings, missing };
            if (!(await this.save())) {
                return;
            }
            window.location.reload();
        },

        useProposal() {
            const { content, proposal } = this;
            if (content.runtime_type !== "Realtime") {
                content.code = proposal.code || content.code;
                content.init_code = proposal.init_code || content.init_code;
                content.inputs = proposal.inputs.length ? proposal.inputs : content.inputs;
                content.outputs = proposal.outputs.length ? proposal.outputs : content.outputs;
                content.row_independent = proposal.row_independent;
                this.addFiles(proposal.files);
            } else {
                content.files = proposal.files;
            }
            content.columns = proposal.columns;
            content.example = proposal.example;
            content.description ||= proposal.description;
            this.proposalWaits = false;
            this.hasOptions ||= content.row_independent;
            this.problem = null;
            this.result = null;
            this.refreshJson();
            this.redraw();
            this.changed();
        },

        /* The files alone: the code that was typed knows what to do with them. */
        keepTyped() {
            this.addFiles(this.proposal.files);
            this.proposalWaits = false;
            this.changed();
        },

        addFiles(files) {
            const names = new Set(files.map((each) => each.name));
            this.content.files = [...this.content.files.filter((each) => !names.has(each.name)), ...files];
            this.changed();
        },

        removeFile(index) {
            this.content.files.splice(index, 1);
            this.changed();
            document.getElementById("files").focus();
        },

        /* Parameters. */

        addParameter(side) {
            const type = this.content[side].at(-1)?.type || "numeric";
            this.content[side].push({ name: "", type });
            this.changed();
            const index = this.content[side].length - 1;
            this.$nextTick(() => document.getElementById(`${side}.${index}.name`).focus());
        },

        /* What was given for an input stays when it gets another name. */
        renamed() {
            const { content } = this;
            const names = content.inputs.map((each) => each.name);
            const index = names.findIndex((each, at) => each !== this.names[at]);
            const before = this.names[index];
            if (names.length === this.names.length && before in content.example && !names.includes(before)) {
                const { [before]: value, ...others } = content.example;
                content.example = { ...others, [names[index]]: value };
            }
            this.names = names;
        },

        removeParameter(side, index) {
            this.content[side].splice(index, 1);
            this.changed();
            this.$nextTick(() => document.getElementById(`add-${side}`).focus());
        },

        moveParameter(side, index) {
            const [row] = this.content[side].splice(index, 1);
            this.content[side].splice(index - 1, 0, row);
            this.changed();
            this.$nextTick(() => document.getElementById(`${side}.${index - 1}.name`).focus());
        },

        async readSample(side) {
            this.problem = null;
            try {
                this.useTable(await ask(this.addresses.sample, { sample: this.sample }), side);
                this.$nextTick(() => document.getElementById(`${side}.0.name`).focus());
            } catch (error) {
                this.explain(error, "sample");
            }
        },

        useTable(proposal, side) {
            const { content } = this;
            content[side] = proposal.inputs.map((each) => ({ ...each }));
            if (side === "outputs") {
                for (const each of content.outputs.filter((one) => one.name === "inputData")) {
                    each.name = "outputData";
                }
            } else {
                content.columns = proposal.columns;
                content.example = proposal.example;
                this.refreshJson();
            }
            this.changed();
        },

        /* The inputs to try it with. */

        value(input) {
            const { content } = this;
            if (!(input.name in content.example) || !example.fits(content.example[input.name], input.type)) {
                return example.begin(input.type, content.columns);
            }
            return content.example[input.name];
        },

        setValue(input, value) {
            this.content.example = { ...this.content.example, [input.name]: value };
        },

        get inputs() {
            return Object.fromEntries(this.content.inputs.map((each) => [each.name, this.value(each)]));
        },

        frame(input) {
            return example.frameOf(this.value(input));
        },

        setFrame(input, frame) {
            this.setValue(input, example.rowsOf(frame));
            this.exampleChanged();
        },

        setCell(input, line, place, text) {
            const frame = this.frame(input);
            const known = this.content.columns.find((each) => each.name === frame.columns[place]);
            frame.rows[line][place] = example.ofCell(text, known?.type);
            this.setFrame(input, frame);
        },

        /* What a model wants is not for its user to say. */
        isFixed() {
            return this.content.runtime_type === "Realtime" && this.content.columns.length > 0;
        },

        renameColumn(input, place, name) {
            const frame = this.frame(input);
            if (name.trim() && !frame.columns.includes(name.trim())) {
                frame.columns[place] = name.trim();
            }
            this.setFrame(input, frame);
        },

        addRow(input) {
            const frame = this.frame(input);
            frame.rows.push([...frame.rows.at(-1)]);
            this.setFrame(input, frame);
        },

        removeRow(input) {
            const frame = this.frame(input);
            frame.rows.pop();
            this.setFrame(input, frame);
        },

        addColumn(input) {
            const frame = this.frame(input);
            frame.columns.push(`column${frame.columns.length + 1}`);
            frame.rows.forEach((row) => row.push(1));
            this.setFrame(input, frame);
        },

        removeColumn(input) {
            const frame = this.frame(input);
            frame.columns.pop();
            frame.rows.forEach((row) => row.pop());
            this.setFrame(input, frame);
        },

        exampleChanged() {
            if (this.asJson) {
                try {
                    this.content.example = JSON.parse(this.exampleText);
                } catch {
                    return; /* It is being typed. */
                }
            }
            this.changed();
        },

        showJson() {
            this.exampleText = this.pretty(this.inputs);
            this.asJson = true;
        },

        showForm() {
            if (this.readJson()) {
                this.asJson = false;
            }
        },

        refreshJson() {
            if (this.asJson) {
                this.exampleText = this.pretty(this.inputs);
            }
        },

        /* Takes over what was typed as JSON; says why it cannot be. */
        readJson() {
            if (!this.asJson) {
                return true;
            }
            try {
                const said = JSON.parse(this.exampleText);
                if (said === null || typeof said !== "object" || Array.isArray(said)) {
                    throw new Error("it must be an object with a member for each input");
                }
                this.content.example = said;
                this.problem = null;
                return true;
            } catch (error) {
                this.problem = { field: "example", message: `This is no usable JSON: ${error.message}.` };
                document.getElementById("example-json").focus();
                return false;
            }
        },

        pretty(value) {
            const text = JSON.stringify(value);
            return text && text.length < 80 ? text : JSON.stringify(value, null, 2);
        },

        /* Running. */

        /* All that decides what a run does. */
        get whatRuns() {
            const { runtime_type, code, init_code, inputs, outputs, output_files, files, keeps_files } =
                this.content;
            return JSON.stringify({
                runtime_type, code, init_code, inputs, outputs, output_files, files, keeps_files,
            });
        },

        get isTested() {
            return Boolean(this.content.tested) && this.content.tested === digest(this.whatRuns);
        },

        get testedText() {
            if (this.isTested) {
                return "Tested as it is.";
            }
            return this.content.tested ? "Not tested since your last change." : "Not tested yet (step 3).";
        },

        async run() {
            if (!this.readJson()) {
                return;
            }
            this.problem = null;
            this.result = null;
            this.running = true;
            this.runText = "Saving…";
            this.markLine("", 0);
            const ran = this.whatRuns;
            const inputs = this.asJson ? { ...this.content.example } : this.inputs;
            try {
                this.content.example = inputs;
                this.changed();
                if (!(await this.save())) {
                    return;
                }
                const { job } = await ask(this.addresses.run, { revision: this.revision, inputs });
                this.runJob = job;
                const { run, problem } = await this.follow(job, (text) => (this.runText = `${text}…`));
                if (problem) {
                    throw new Refused(problem);
                }
                this.result = run;
                if (run.success) {
                    this.content.tested = digest(ran);
                    this.changed();
                } else if (run.error_line) {
                    this.markLine(run.error_part, run.error_line);
                }
            } catch (error) {
                this.explain(error, "run");
            } finally {
                this.running = false;
                this.runJob = "";
            }
        },

        async stop() {
            await ask(this.addresses.job, { job: this.runJob });
        },

        /* The result of a job, when it has ended; Refused with its problem when it failed. */
        async follow(job, tell) {
            for (;;) {
                const said = await this.patiently(`${this.addresses.job}?job=${job}`);
                if (said.state === "done") {
                    return said.result;
                }
                if (said.state === "failed") {
                    throw new Refused(said.problem);
                }
                tell(said.text);
                await pause(POLL_EVERY);
            }
        },

        /* The answer, asked for until the server can be reached. */
        async patiently(address) {
            for (;;) {
                try {
                    return await ask(address);
                } catch (error) {
                    if (error instanceof Refused && error.problem.status) {
                        throw error;
                    }
                    await pause(2000);
                }
            }
        },

        explain(error, field) {
            const message = "The server does not answer: try again.";
            this.refuse(error instanceof Refused ? { ...error.problem, field: error.problem.field || field } : { message, field });
        },

        markLine(part, line) {
            for (const id of ["code", "init_code"]) {
                const area = document.getElementById(id);
                if (area) {
                    window.codeEditor.mark(area, id === part ? line : 0);
                }
            }
            if (part === "init_code") {
                document.getElementById("init").open = true;
            }
        },

        /* Outputs that came back empty, as those do that the code never sets. */
        get withoutValue() {
            const outputs = Object.entries(this.result.success ? this.result.outputs : {});
            return outputs.filter(([, value]) => value === null).map(([name]) => name);
        },

        get errorSentence() {
            const { error_part: part, error_line: line } = this.result;
            const where = part === "init_code" ? "the code that runs once" : "the code";
            return line
                ? `It failed in line ${line} of ${where}, which is marked.`
                : "It failed. What the compute node says is below.";
        },

        get timings() {
            const { node, timings = {} } = this.result;
            const shown = {
                send: "sending it there",
                queue: "waiting for a shell",
                load: "loading",
                run: "running",
            };
            const parts = Object.keys(shown)
                .filter((each) => timings[each] >= 0.5 || each === "run")
                .map((each) => `${shown[each]} ${Math.round(timings[each])} ms`);
            return `On ${node}: ${parts.join(", ")}.`;
        },

        /* The name, and publishing. */

        async checkName() {
            const { name, version } = this.content;
            if (!name.trim()) {
                this.nameText = "";
                this.nameProblem = false;
                return;
            }
            const query = new URLSearchParams({ name, version: this.versionTyped ? version : "" });
            let said;
            try {
                said = await ask(`${this.addresses.names}?${query}`);
            } catch {
                return; /* It is checked when it is published. */
            }
            if (name !== this.content.name) {
                return; /* The answer to what was typed since is under way. */
            }
            this.suggestion = said.suggestion;
            this.grants = said.grants;
            this.nameProblem = Boolean(said.problem);
            this.nameField = said.field;
            if (!this.versionTyped) {
                this.content.version = said.suggestion;
                this.changed();
            }
            const has = said.versions.length ? `${name} has ${said.versions.join(", ")}` : `${name} is free`;
            this.nameText = said.problem || `${has}; this will be ${name}/${this.content.version}.`;
        },

        takeSuggestion() {
            this.content.version = this.suggestion;
            this.versionTyped = true;
            this.problem = null;
            this.changed();
            this.checkName();
            document.getElementById("publish").focus();
        },

        get grantRows() {
            return this.content.grants ?? this.grants?.grants ?? [];
        },

        setGrants(rows) {
            this.content.grants = rows;
            this.content.grants_revision ||= this.grants?.revision || "";
            this.changed();
        },

        addGrant() {
            this.setGrants([...this.grantRows, { right: "consume", kind: "user", name: "" }]);
        },

        changeGrant(index, key, value) {
            this.setGrants(this.grantRows.map((each, at) => (at === index ? { ...each, [key]: value } : each)));
        },

        removeGrant(index) {
            this.setGrants(this.grantRows.filter((_, at) => at !== index));
        },

        async publish(overwrite = "") {
            if (this.uploads.length) {
                this.problem = { message: "Wait for the end of the upload, or cancel it.", field: "files" };
                return;
            }
            if (!this.readJson()) {
                return;
            }
            this.problem = null;
            this.changes = null;
            this.publishing = true;
            this.publishText = "Publishing…";
            try {
                if (!(await this.save())) {
                    return;
                }
                const body = { revision: this.revision, overwrite };
                await this.settle(await ask(this.addresses.publish, body));
            } catch (error) {
                this.explain(error, "");
            } finally {
                this.publishing = false;
            }
        },

        async followPublishing() {
            this.publishing = true;
            try {
                await this.settle({ state: "running" });
            } catch (error) {
                this.explain(error, "");
            } finally {
                this.publishing = false;
            }
        },

        async settle(said) {
            while (said.state === "running") {
                this.publishText = `${said.text || "Publishing"}…`;
                await pause(POLL_EVERY);
                said = await this.patiently(this.addresses.publish);
            }
            if (said.state === "done") {
                window.location.assign(said.location);
                await new Promise(() => {}); /* The page goes. */
            }
            throw new Refused(said.problem || { message: "It was not published: try again.", field: "" });
        },
    });

    /* A short text that is another one for nearly every text. */
    function digest(text) {
        let hash = 5381n;
        for (const letter of text) {
            hash = (hash * 33n + BigInt(letter.codePointAt(0))) & 0xffffffffffffffffn;
        }
        return hash.toString(36);
    }

    /* A listener of django-unfold on every file input expects a text field beside it, and fails. */
    document.addEventListener(
        "change",
        (event) => {
            if (["files", "folder"].includes(event.target.id)) {
                event.stopImmediatePropagation();
                event.target.dispatchEvent(new CustomEvent("chosen"));
            }
        },
        true,
    );

    document.addEventListener("alpine:init", () => window.Alpine.data("publishPage", publishPage));
})();
