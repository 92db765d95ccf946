/* A new key is shown once: not again after a reload, nor on the way back through the history. */
(function () {
    "use strict";

    if (!document.querySelector("[data-secret]")) {
        return;
    }
    /* The entry of the history becomes that of the page itself, so that a reload sends nothing. */
    history.replaceState(history.state, "", window.location.href);
    window.addEventListener("pagehide", () => {
        for (const secret of document.querySelectorAll("[data-secret]")) {
            secret.remove();
        }
    });
})();
