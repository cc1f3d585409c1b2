# An image of both commands. Not built by the project's own checks: they run where no container engine is.
#   docker build -t flume-ts .
#   docker run --rm -p 44444:44444 -v "$PWD/conf:/conf:ro" -v flume-data:/data flume-ts agent -f /conf/agent.properties
#   docker run --rm --entrypoint stream-ts -v "$PWD/conf:/conf:ro" flume-ts submit /conf/job.ts
# A source that others must reach from outside the container has to bind 0.0.0.0.

FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc tsconfig.json ./
COPY scripts ./scripts
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build && npm pack --ignore-scripts --pack-destination /tmp && mv /tmp/flume-ts-*.tgz /tmp/flume-ts.tgz

FROM node:24-bookworm-slim
COPY --from=build /tmp/flume-ts.tgz /tmp/
RUN npm install --global --ignore-scripts --omit=dev /tmp/flume-ts.tgz \
  && rm -rf /tmp/flume-ts.tgz /root/.npm \
  && mkdir /data && chown node:node /data
USER node
WORKDIR /data
VOLUME /data
ENV NODE_ENV=production
# SIGTERM reaches node itself and stops in order: sources, sinks, channels.
STOPSIGNAL SIGTERM
ENTRYPOINT ["flume-ts"]
CMD ["help"]
