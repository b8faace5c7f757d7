import { mount } from "svelte";
import "../styles/tokens.css";
import "../styles/base.css";
import "../styles/parts.css";
import Offline from "./Offline.svelte";

const target = document.querySelector("#app");
if (!target) throw new Error("the page has no element for the app");
mount(Offline, { target });
