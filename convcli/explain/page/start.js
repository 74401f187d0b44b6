"use strict";

/* Started last, because it needs all of the others. */

const page = new Page(JSON.parse(byId("document").textContent));
