export { connect } from "/transports/fetch_streaming/client.js";
