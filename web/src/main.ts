import { mount } from "svelte";
import App from "./App.svelte";
import { sweepSaved } from "./lib/save";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/parts.css";

const target = document.querySelector("#app");
if (!target) throw new Error("the page has no element for the app");
mount(App, { target });
void sweepSaved();
