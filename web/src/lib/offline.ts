/** Whether this is coffer-open.html: the page as one file, without a server. */
export const offline = document.documentElement.hasAttribute("data-offline");
