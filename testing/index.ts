export { startEmbeddedMongo, type EmbeddedMongo, type EmbeddedMongoOptions } from './embedded-mongo/index.js'
export { signToken, type SignTokenOptions } from './sign-token.js'
